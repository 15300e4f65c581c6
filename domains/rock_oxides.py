"""Major-element analyses of volcanic rocks, adjusted so that their parts sum to 100 mass percent."""

from lawful.domains.declarations import Blocks, Law, Task, Variable
from lawful.domains.domain import Domain

PARTS = {
    "SiO2": "silicon dioxide",
    "TiO2": "titanium dioxide",
    "Al2O3": "aluminium oxide",
    "Fe2O3": "ferric iron oxide",
    "FeO": "ferrous iron oxide",
    "MnO": "manganese oxide",
    "MgO": "magnesium oxide",
    "CaO": "calcium oxide",
    "Na2O": "sodium oxide",
    "K2O": "potassium oxide",
    "P2O5": "phosphorus pentoxide",
    "BaO": "barium oxide",
    "CoO": "cobalt oxide",
    "Cr2O3": "chromium oxide",
    "Cs2O": "caesium oxide",
    "Li2O": "lithium oxide",
    "NiO": "nickel oxide",
    "Rb2O": "rubidium oxide",
    "SrO": "strontium oxide",
    "V2O3": "vanadium oxide",
    "ZrO2": "zirconium dioxide",
    "F": "fluorine",
    "Cl": "chlorine",
}

DOMAIN = Domain(
    name="rock-oxides",
    title="Major-element analyses of volcanic rocks",
    description="One event is one rock analysis: mass fractions of oxides and halogens on an anhydrous basis.",
    event="rock analysis",
    event_dim="sample",
    variables=tuple(
        Variable(name=name, units="percent", lower=0, upper=100, description=f"mass fraction of {words}")
        for name, words in PARTS.items()
    ),
    laws=(
        Law(
            name="total",
            equation=" + ".join(PARTS) + " = 100",
            units="percent",
            tolerance=2e-8,
            reference="Verma, Torres-Alvarado and Velasco-Tapia (2003) Swiss Bull. Mineral. Petrol. 83, 197-216",
        ),
    ),
    tasks=(
        Task(name="magnesium from other major oxides", target="MgO", inputs=("SiO2", "TiO2", "Al2O3", "CaO", "K2O")),
    ),
    blocks=Blocks(kind="label", label="reference"),
    sample="rock-oxides.nc",
    note="Analyses are generated independently of study and place.",
    references=(
        "Verma, Torres-Alvarado and Velasco-Tapia (2003) Swiss Bull. Mineral. Petrol. 83, 197-216",
        "Verma and Rivera-Gomez (2013) Computer programs for the classification and nomenclature of igneous rocks, "
        "Episodes 36, 115-124",
    ),
)
