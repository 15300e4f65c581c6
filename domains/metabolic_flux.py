"""Steady states of a metabolism: every flux balance that its stoichiometry allows, in media that differ."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from lawful.domains.declarations import Blocks, Law, Variable
from lawful.domains.domain import Domain

UNITS = "mmol g-1 h-1"
UPTAKES = {"glucose": "EX_glc__D_e", "oxygen": "EX_o2_e", "ammonium": "EX_nh4_e"}
"""What a medium limits -> the exchange reaction, of which uptake is the negative direction."""

KNOCKOUTS = ("G6PDH2r", "PFK", "PGI", "PTAr", "PYK", "SUCDi")
"""Reactions whose gene is knocked out in some of the media."""

ORTH = "Orth, Fleming and Palsson (2010) EcoSal Plus 4, doi:10.1128/ecosalplus.10.2.1"


@dataclass(frozen=True)
class Reaction:
    """A reaction with the bounds of its flux and what it makes (positive) and consumes, in moles per mole."""

    name: str
    lower: float
    upper: float
    metabolites: Mapping[str, float]


def read_reactions(path: Any) -> tuple[Reaction, ...]:
    """Reactions of a CSV with the columns reaction, lower, upper and equation, `-1*glc__D_e +1*g6p_c`."""
    with path.open(encoding="utf-8") as file:
        return tuple(_reaction(row) for row in csv.DictReader(file))


def _reaction(row: Mapping[str, str]) -> Reaction:
    terms = [term.split("*") for term in row["equation"].split()]
    metabolites = {metabolite: float(count) for count, metabolite in terms}
    return Reaction(row["reaction"], float(row["lower"]), float(row["upper"]), metabolites)


def balances(reactions: Sequence[Reaction]) -> tuple[Law, ...]:
    """One law for each metabolite: what is made of it is consumed."""
    metabolites = sorted({name for reaction in reactions for name in reaction.metabolites})
    return tuple(_balance(metabolite, reactions) for metabolite in metabolites)


def _balance(metabolite: str, reactions: Sequence[Reaction]) -> Law:
    counts = {r.name: r.metabolites[metabolite] for r in reactions if metabolite in r.metabolites}
    made, used = ([_term(abs(c), r) for r, c in counts.items() if sign * c > 0] for sign in (1, -1))
    return Law(
        name=metabolite,
        equation=f"{' + '.join(made) or '0'} = {' + '.join(used) or '0'}",
        units=UNITS,
        tolerance=1e-9,
        reference="steady state: no metabolite accumulates",
    )


def _term(count: float, reaction: str) -> str:
    return reaction if count == 1 else f"{count!r} * {reaction}"


def medium_laws(reactions: Sequence[Reaction], knockouts: Sequence[str]) -> tuple[Law, ...]:
    """Limits that differ from medium to medium: uptakes, and reactions that `NAME_on` = 0 brings to a stand."""
    by_name = {reaction.name: reaction for reaction in reactions}
    uptakes = [_limit(f"{what} uptake", f"{exchange} >= -{what}") for what, exchange in UPTAKES.items()]
    return (*uptakes, *(law for name in knockouts for law in _switch(by_name[name])))


def _switch(reaction: Reaction) -> list[Law]:
    name, laws = reaction.name, []
    if reaction.upper > 0:
        laws.append(_limit(f"{name} forward", f"{name} <= {reaction.upper!r} * {name}_on"))
    if reaction.lower < 0:
        laws.append(_limit(f"{name} backward", f"{name} >= {reaction.lower!r} * {name}_on"))
    return laws


def _limit(name: str, equation: str) -> Law:
    return Law(name=name, equation=equation, units=UNITS, tolerance=0.0, reference="the medium and the strain")


def flux_variables(reactions: Sequence[Reaction]) -> tuple[Variable, ...]:
    """A bounded flux for each reaction; uptakes that media limit are bounded by the laws of the medium as well."""
    return tuple(
        Variable(name=r.name, units=UNITS, lower=_wide(r), upper=r.upper, description=f"flux of reaction {r.name}")
        for r in reactions
    )


def _wide(reaction: Reaction) -> float:
    return -1000.0 if reaction.name in UPTAKES.values() else reaction.lower


def medium_variables(knockouts: Sequence[str]) -> tuple[Variable, ...]:
    """What is given with an event: the most that can be taken up, and 1 or 0 for reactions that work or not."""
    limits = [
        Variable(name=what, units=UNITS, lower=0, upper=1000, given=True, description=f"largest uptake of {what}")
        for what in UPTAKES
    ]
    switches = [
        Variable(
            name=f"{name}_on", units="1", lower=0, upper=1, given=True, description=f"1 where {name} works, else 0"
        )
        for name in knockouts
    ]
    return (*limits, *switches)


CORE = read_reactions(files("lawful.domains").joinpath("e_coli_core.csv"))
"""The core metabolism of Escherichia coli: 95 reactions among 72 metabolites."""

DOMAIN = Domain(
    name="metabolic-flux",
    title="Steady-state fluxes of the core metabolism of Escherichia coli",
    description="One event is one steady state: fluxes in mmol per gram of dry weight and hour, uniform over all that "
    "balance and keep within their bounds in the medium and strain that come with the event.",
    event="steady state",
    event_dim="state",
    variables=(*flux_variables(CORE), *medium_variables(KNOCKOUTS)),
    laws=(*balances(CORE), *medium_laws(CORE, KNOCKOUTS)),
    blocks=Blocks(kind="label", label="medium"),
    uniform=True,
    sample="metabolic-flux.nc",
    note="States are drawn independently and uniformly: what stoichiometry and bounds allow, not what a cell prefers. "
    "Cycles that thermodynamics forbids are not left out.",
    references=(
        ORTH,
        "Schellenberger and Palsson (2009) J. Biol. Chem. 284, 5457-5461, doi:10.1074/jbc.R800048200",
        "Haraldsdottir, Cousins, Thiele, Fleming and Vempala (2017) Bioinformatics 33, 1741-1743, "
        "doi:10.1093/bioinformatics/btx052",
        "King et al. (2016) BiGG Models, Nucleic Acids Research 44, D515-D522, doi:10.1093/nar/gkv1049",
    ),
)
