"""Maps of one sample of fields: its block means, the held-out field, and members of the ensemble."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lawful.domains.declarations import Variable
from lawful.domains.field_domain import FieldDomain, coarse
from lawful.reports.arrays import REALIZATION, label_of
from lawful.reports.figures.style import DIVERGING, PALE, WIDTH, Plate, plate, style

_MOST, _MEMBERS = 4, 3
_USUAL = (0.01, 0.99)


def field_maps(ensemble: xr.Dataset, test: xr.Dataset, domain: FieldDomain) -> Plate:
    """One held-out sample of `test` as its block means, itself, and three members of the ensemble, on one scale.

    It is the sample whose fields vary most but for a tenth of them. Cells that are not of the field are grey.
    """
    variables = domain.variables[:_MOST]
    sample = _telling(test, domain)
    with style():
        figure = Figure(figsize=(WIDTH, 2.4 * len(variables) + 0.3), layout="constrained")
        members = min(_MEMBERS, ensemble.sizes[REALIZATION])
        axes = figure.subplots(len(variables), 2 + members, squeeze=False)
        for row, variable in zip(axes, variables, strict=True):
            _row(figure, list(row), _fields(ensemble, test, domain, variable, sample, members), test, domain, variable)
        which = label_of(test[domain.dim].to_numpy()[sample]) if domain.dim in test.coords else f"number {sample}"
        names = ", ".join(variable.name for variable in variables)
        return plate(
            "maps",
            "Maps",
            f"{domain.event.capitalize()} {which}, held out: the block means given, the field of the data, and "
            f"{members} members of the ensemble, on one scale. Every member has these block means."
            + (" Grey cells have no value." if not domain.inside(test).all() else ""),
            f"Maps of {names} for one held-out {domain.event}: block means, data, and {members} members.",
            figure,
        )


def _telling(test: xr.Dataset, domain: FieldDomain) -> int:
    """The number of the sample whose fields vary more than those of nine tenths."""
    spreads = [np.nanstd(_values(test, domain, name), axis=(1, 2)) for name in domain.names]
    whole = np.sum([spread / (spread.mean() or 1.0) for spread in spreads], axis=0)
    return int(np.argsort(whole, kind="stable")[int(0.9 * (len(whole) - 1))])


def _values(ds: xr.Dataset, domain: FieldDomain, name: str) -> np.ndarray:
    values: np.ndarray = ds[name].transpose(..., domain.dim, domain.rows, domain.columns).to_numpy()
    return values


def _fields(
    ensemble: xr.Dataset, test: xr.Dataset, domain: FieldDomain, variable: Variable, sample: int, members: int
) -> dict[str, np.ndarray]:
    """What is shown, by title."""
    given = ensemble[coarse(variable.name)].transpose(domain.dim, ...).to_numpy()[sample]
    spread = given.repeat(domain.block[0], 0).repeat(domain.block[1], 1)
    drawn = _values(ensemble, domain, variable.name)
    return {
        "block means": np.where(domain.inside(test), spread, np.nan),
        "held-out data": _values(test, domain, variable.name)[sample],
        **{f"member {k + 1}": drawn[k, sample] for k in range(members)},
    }


def _row(
    figure: Figure, axes: list[Axes], fields: dict[str, np.ndarray], ds: xr.Dataset, domain: FieldDomain,
    variable: Variable,
) -> None:  # fmt: skip
    low, high = np.nanquantile(np.stack(list(fields.values())), _USUAL)
    colours: dict[str, Any] = {"cmap": colormaps["YlGnBu"], "vmin": 0.0, "vmax": high}
    if not domain.positive:
        # About the middle, so that what is above is told from what is below.
        middle, half = (low + high) / 2, (high - low) / 2
        colours = {"cmap": colormaps[DIVERGING], "vmin": middle - half, "vmax": middle + half}
    colours["cmap"] = colours["cmap"].with_extremes(bad=PALE)
    drawn = None
    for panel, (title, field) in zip(axes, fields.items(), strict=True):
        drawn = panel.imshow(field, origin=_origin(ds, domain), interpolation="nearest", **colours)
        panel.set_title(title)
        panel.set_xticks([])
        panel.set_yticks([])
    axes[0].set_ylabel(variable.name)
    if drawn is not None:
        units = "" if variable.units == "1" else variable.units
        beyond = "max" if domain.positive else "both"
        figure.colorbar(drawn, ax=axes, shrink=0.85, pad=0.01, extend=beyond, label=units)


def _origin(ds: xr.Dataset, domain: FieldDomain) -> Any:
    """Where the first row is: below, where rows have a coordinate that rises, as latitudes do from the south."""
    rows = ds[domain.rows] if domain.rows in ds.coords else None
    rising = rows is not None and rows.dtype.kind in "fiu" and rows.size > 1 and bool(rows[0] < rows[-1])
    return "lower" if rising else "upper"
