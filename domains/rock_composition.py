"""Oxides of volcanic rocks and the normative minerals that they amount to: two closed tables and what ties them."""

from lawful.domains.declarations import Blocks, Law, Variable
from lawful.domains.domain import Domain

ATOMIC_MASS = {
    "O": 15.999,
    "Si": 28.085,
    "Ti": 47.867,
    "Al": 26.9815384,
    "Fe": 55.845,
    "Mg": 24.305,
    "Ca": 40.078,
    "Na": 22.98976928,
    "K": 39.0983,
    "P": 30.973761998,
    "Cr": 51.9961,
    "Zr": 91.224,
}
"""g mol-1: IUPAC standard atomic weights (Prohaska et al. 2022, doi:10.1515/pac-2019-0603)."""

OXIDES = {
    "SiO2": ({"Si": 1, "O": 2}, "silicon dioxide"),
    "TiO2": ({"Ti": 1, "O": 2}, "titanium dioxide"),
    "Al2O3": ({"Al": 2, "O": 3}, "aluminium oxide"),
    "Fe2O3": ({"Fe": 2, "O": 3}, "ferric iron oxide"),
    "FeO": ({"Fe": 1, "O": 1}, "ferrous iron oxide, with manganese, nickel and cobalt counted as iron"),
    "MgO": ({"Mg": 1, "O": 1}, "magnesium oxide"),
    "CaO": ({"Ca": 1, "O": 1}, "calcium oxide, with strontium and barium counted as calcium"),
    "Na2O": ({"Na": 2, "O": 1}, "sodium oxide, with lithium counted as sodium"),
    "K2O": ({"K": 2, "O": 1}, "potassium oxide, with rubidium and caesium counted as potassium"),
    "P2O5": ({"P": 2, "O": 5}, "phosphorus pentoxide"),
    "Cr2O3": ({"Cr": 2, "O": 3}, "chromium oxide, with vanadium counted as chromium"),
    "ZrO2": ({"Zr": 1, "O": 2}, "zirconium dioxide"),
}
"""Atoms of an oxide, and what it stands for."""

MINERALS: dict[str, dict[str, float]] = {
    "quartz": {"SiO2": 1},
    "corundum": {"Al2O3": 1},
    "orthoclase": {"K2O": 1, "Al2O3": 1, "SiO2": 6},
    "albite": {"Na2O": 1, "Al2O3": 1, "SiO2": 6},
    "anorthite": {"CaO": 1, "Al2O3": 1, "SiO2": 2},
    "leucite": {"K2O": 1, "Al2O3": 1, "SiO2": 4},
    "nepheline": {"Na2O": 1, "Al2O3": 1, "SiO2": 2},
    "kaliophilite": {"K2O": 1, "Al2O3": 1, "SiO2": 2},
    "acmite": {"Na2O": 1, "Fe2O3": 1, "SiO2": 4},
    "sodium_metasilicate": {"Na2O": 1, "SiO2": 1},
    "potassium_metasilicate": {"K2O": 1, "SiO2": 1},
    "wollastonite": {"CaO": 1, "SiO2": 1},
    "diopside_Mg": {"CaO": 1, "MgO": 1, "SiO2": 2},
    "diopside_Fe": {"CaO": 1, "FeO": 1, "SiO2": 2},
    "enstatite": {"MgO": 1, "SiO2": 1},
    "ferrosilite": {"FeO": 1, "SiO2": 1},
    "forsterite": {"MgO": 2, "SiO2": 1},
    "fayalite": {"FeO": 2, "SiO2": 1},
    "dicalcium_silicate": {"CaO": 2, "SiO2": 1},
    "magnetite": {"FeO": 1, "Fe2O3": 1},
    "hematite": {"Fe2O3": 1},
    "ilmenite": {"FeO": 1, "TiO2": 1},
    "titanite": {"CaO": 1, "TiO2": 1, "SiO2": 1},
    "apatite": {"CaO": 10 / 3, "P2O5": 1},
    "chromite": {"FeO": 1, "Cr2O3": 1},
    "zircon": {"ZrO2": 1, "SiO2": 1},
}
"""Moles of each oxide in a formula unit (Verma, Torres-Alvarado and Velasco-Tapia 2003, table 1)."""

VERMA = "Verma, Torres-Alvarado and Velasco-Tapia (2003) Swiss Bull. Mineral. Petrol. 83, 197-216"


def molar_mass(oxide: str) -> float:
    """Molar mass of an oxide, g mol-1."""
    return sum(ATOMIC_MASS[atom] * count for atom, count in OXIDES[oxide][0].items())


def mass_fractions(mineral: str) -> dict[str, float]:
    """Mass of each oxide in a unit mass of a mineral."""
    masses = {oxide: moles * molar_mass(oxide) for oxide, moles in MINERALS[mineral].items()}
    return {oxide: mass / sum(masses.values()) for oxide, mass in masses.items()}


def _balance(oxide: str) -> Law:
    parts = [(mineral, mass_fractions(mineral).get(oxide)) for mineral in MINERALS]
    held = " + ".join(f"{share!r} * {mineral}" for mineral, share in parts if share)
    return Law(name=f"{oxide} balance", equation=f"{oxide} = {held}", units="percent", tolerance=1e-9, reference=VERMA)


def _total(name: str, parts: tuple[str, ...]) -> Law:
    return Law(
        name=name, equation=" + ".join(parts) + " = 100", units="percent", tolerance=1e-9, reference="closed tables"
    )


def _part(name: str, description: str) -> Variable:
    return Variable(name=name, units="percent", lower=0, upper=100, description=f"mass fraction of {description}")


DOMAIN = Domain(
    name="rock-composition",
    title="Oxides and normative minerals of volcanic rocks",
    description="One event is one rock: mass fractions of its oxides on an anhydrous basis, and of the minerals of its "
    "CIPW norm. Which minerals a rock has follows from silica saturation and alkalinity and is generated.",
    event="rock",
    event_dim="sample",
    variables=(
        *(_part(oxide, words) for oxide, (_, words) in OXIDES.items()),
        *(_part(mineral, f"normative {mineral.replace('_', ' ')}") for mineral in MINERALS),
    ),
    laws=(
        _total("total of oxides", tuple(OXIDES)),
        _total("total of minerals", tuple(MINERALS)),
        *(_balance(oxide) for oxide in OXIDES),
    ),
    blocks=Blocks(kind="label", label="reference"),
    sample="rock-composition.nc",
    note="Rocks are generated independently of study and place. That magnesium and iron share diopside, hypersthene "
    "and olivine in one proportion is a rule of the norm that is no linear law: it is learned, not enforced.",
    references=(
        VERMA,
        "Verma and Rivera-Gomez (2013) Computer programs for the classification and nomenclature of igneous rocks, "
        "Episodes 36, 115-124",
        "Cross, Iddings, Pirsson and Washington (1902) J. Geology 10, 555-690, doi:10.1086/621030",
        "Williams et al. (2020) pyrolite: Python for geochemistry, J. Open Source Software 5, 2314, "
        "doi:10.21105/joss.02314",
    ),
)
