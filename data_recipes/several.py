"""Several files as one: a pattern such as `tower_*.nc` names them, in the order of their names."""

import hashlib
from glob import has_magic
from pathlib import Path

import xarray as xr

from lawful.data_recipes.opening import sha256
from lawful.domains import Domain, InputError


def files_of(path: Path) -> list[Path]:
    """The files that a name or a pattern means; the name itself where there is no such file, to be refused later.

    Raises:
        InputError: no file fits the pattern.
    """
    if path.exists() or not has_magic(str(path)):
        return [path]
    found = sorted(path.parent.glob(path.name))
    if not found:
        raise InputError(f"no file fits {path}")
    return found


def hash_of(files: list[Path]) -> str:
    """SHA-256 of one file, or of those of several."""
    if len(files) == 1:
        return sha256(files[0])
    return hashlib.sha256("\n".join(sha256(file) for file in files).encode()).hexdigest()


def together(parts: list[xr.Dataset], domain: Domain, notes: list[str]) -> xr.Dataset:
    """Events of several files one after another, sorted where their labels are times; each label once."""
    if len(parts) == 1:
        return parts[0]
    whole = xr.concat(parts, dim=domain.event_dim, data_vars="minimal", join="override", combine_attrs="drop_conflicts")
    numbered = all(_is_numbered(part, domain) for part in parts)
    if numbered:
        return whole.assign_coords({domain.event_dim: range(whole.sizes[domain.event_dim])})
    whole = whole.sortby(domain.event_dim)
    index = whole.get_index(domain.event_dim)
    if index.has_duplicates:
        first = index[index.duplicated()][0]
        raise InputError(f"{domain.event_dim} {first} stands in two of {len(parts)} files; leave one of them out")
    notes.append(f"{len(parts)} files were put together")
    return whole


def _is_numbered(part: xr.Dataset, domain: Domain) -> bool:
    """Whether events have no labels but their positions."""
    labels = part[domain.event_dim].to_numpy()
    return labels.dtype.kind == "i" and bool((labels == range(len(labels))).all())
