"""Sample data of the domains, and the recipes that make them again."""

from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import cast

from lawful.data_recipes.write import ensure_writable
from lawful.domains import Domain, InputError, ShapedDomain

Recipe = Callable[[Path], Path]

# Domain name -> module whose function `make(out_path)` writes its sample.
RECIPES = {
    "metabolic-flux": "lawful.data_recipes.metabolic_flux",
    "partial-charge": "lawful.data_recipes.partial_charge",
    "rock-composition": "lawful.data_recipes.rock_composition",
    "rock-oxides": "lawful.data_recipes.rock_oxides",
    "soil-water": "lawful.data_recipes.soil_water",
    "surface-balance": "lawful.data_recipes.surface_balance",
}


def sample_path(domain: Domain | ShapedDomain) -> Path:
    """The sample file that comes with a domain: one of lawful's, `PACKAGE:FILE` of another package, or a whole path.

    Raises:
        InputError: the domain names none, or it is not installed.
    """
    if not domain.sample:
        raise InputError(f"domain {domain.name!r} comes without sample data; give a file of your own")
    path = Path(domain.sample) if Path(domain.sample).is_absolute() else _packaged(domain)
    if not path.is_file():
        raise InputError(f"sample {domain.sample!r} of domain {domain.name!r} is not installed; {_remedy(domain.name)}")
    return path


def _packaged(domain: Domain | ShapedDomain) -> Path:
    package, colon, name = domain.sample.rpartition(":")
    try:
        return Path(str(files(package or "lawful.data_recipes").joinpath(*([] if colon else ["samples"]), name)))
    except ModuleNotFoundError as error:
        raise InputError(f"domain {domain.name!r}: its sample is in {package!r}, which is not installed") from error


def _remedy(name: str) -> str:
    return f"make it with `lawful data {name}`" if name in RECIPES else "give a file of your own"


def make(name: str, out_path: str | Path) -> Path:
    """Make the sample data of a domain again, from their source, and write them to `out_path`.

    Raises:
        InputError: there is no recipe, what it needs is not installed, or the file cannot be written.
    """
    if name not in RECIPES:
        raise InputError(f"no recipe makes data for {name!r}; there are recipes for {', '.join(sorted(RECIPES))}")
    ensure_writable(Path(out_path).absolute().parent)
    recipe = cast(Recipe, import_module(RECIPES[name]).make)
    return recipe(Path(out_path))
