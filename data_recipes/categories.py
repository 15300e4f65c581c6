"""Categories of a file, words or flags, as the numbers that a domain has for them."""

import numpy as np
import xarray as xr

from lawful.data_recipes.words import text
from lawful.domains import Domain, InputError, Variable


def with_codes(ds: xr.Dataset, domain: Domain) -> xr.Dataset:
    """The data set with the domain's `flag_values` for the words, or for the flags, that it holds.

    Flags of a file with `flag_meanings` of its own go by their words, others by their numbers.

    Raises:
        InputError: a word is none of the domain's.
    """
    kinds = [v for v in domain.variables if v.categorical and v.name in ds.variables]
    return ds.assign({v.name: _coded(ds[v.name], v) for v in kinds})


def _coded(values: xr.DataArray, v: Variable) -> xr.DataArray:
    stated = values.attrs.get("flag_meanings")
    if values.dtype.kind in "OSU":
        words = [text(item) or None for item in values.to_numpy().ravel()]
    elif stated is not None and v.flag_meanings and "flag_values" in values.attrs:
        named = dict(zip(np.atleast_1d(values.attrs["flag_values"]).tolist(), str(stated).split(), strict=False))
        if named == dict(zip(v.flag_values, map(_flag, v.meanings), strict=True)):
            return values
        words = [_none_or(number, named) for number in values.to_numpy().ravel()]
    else:
        return values
    known = {_flag(word): value for word, value in zip(v.meanings, v.flag_values, strict=True)}
    strangers = sorted({word for word in words if word is not None and _flag(word) not in known})
    if strangers:
        raise InputError(f"variable {v.name!r} holds {strangers[0]!r}; its categories are {', '.join(v.meanings)}")
    numbers = [np.nan if word is None else known[_flag(word)] for word in words]
    attrs = {key: value for key, value in values.attrs.items() if not str(key).startswith("flag_")}
    return xr.DataArray(np.array(numbers).reshape(values.shape), values.coords, values.dims, attrs=attrs)


def flag_words(v: Variable) -> str:
    """The meanings as CF wants them: one string, with blanks between words and none within."""
    return " ".join(map(_flag, v.meanings))


def _flag(word: str) -> str:
    return "_".join(word.split())


def _none_or(number: float, named: dict[float, str]) -> str | None:
    return None if np.isnan(number) else named.get(number, f"{number:g}")
