"""Relations that were found in data as equations of a domain, in the units of its variables."""

from fractions import Fraction
from math import gcd, lcm

from lawful.data_recipes.relations import Relation
from lawful.domains.errors import InputError


def rescaled(law: Relation, units: dict[str, str]) -> Relation:
    """A relation between numbers of the file as one in the units of the law, in the least whole numbers.

    Units of another scale are converted when the law is read, so that its numbers are without that scale.
    """
    first = units[next(iter(law.coefficients))]
    plain = {name: factor / _fraction(_scale(units[name], first) or 1.0) for name, factor in law.coefficients.items()}
    common = Fraction(gcd(*(f.numerator for f in plain.values())), lcm(*(f.denominator for f in plain.values())))
    factors = {name: factor / common for name, factor in plain.items()}
    return Relation(factors, law.constant / float(common), law.residual / float(common))


def _fraction(scale: float) -> Fraction:
    """1/1000 for 0.001, whose nearest double is none."""
    return Fraction(scale).limit_denominator(10**6) if scale >= 1 else 1 / _fraction(1 / scale)


def equation_of(law: Relation, units: dict[str, str]) -> str:
    """Positive terms on the left, negative ones on the right; a number carries dimensions that the law lacks."""
    first = units[next(iter(law.coefficients))]
    sides: dict[bool, list[str]] = {True: [], False: []}
    for name, factor in law.coefficients.items():
        bare = abs(factor) == 1 and _scale(units[name], first)
        sides[factor > 0].append(name if bare else f"{abs(factor)} * {name}")
    if law.constant or not sides[False]:
        sides[law.constant < 0].append(f"{abs(law.constant)!r}")
    left, right = (" + ".join(sides[positive]) or "0" for positive in (True, False))
    return f"{left} = {right}"


def _scale(units: str, of_law: str) -> float | None:
    """What units of a term are converted by when a law is read; None where its number carries other dimensions."""
    # Here, because pint is slow to import.
    from lawful.domains.units import factor

    try:
        return factor((units,), of_law)
    except InputError:
        return None


def mixes_mass_and_amount(law: Relation, units: dict[str, str]) -> bool:
    """Whether whole numbers stand where molar masses belong: such a relation is chance, and its law is refused."""
    from lawful.domains.units import between_mass_and_amount

    first = units[next(iter(law.coefficients))]
    return any(between_mass_and_amount((units[name],), first) for name in law.coefficients)
