"""Attributes that CF asks for, taken from a domain."""

from lawful.domains import Domain, Variable
from lawful.domains.declarations import component

CONVENTIONS = "CF-1.11"


def variable_attributes(variable: Variable) -> dict[str, str]:
    """`units`, `long_name` and, where the variable has them, `standard_name` and `cell_methods`."""
    attributes = {
        "standard_name": variable.standard_name,
        "long_name": variable.description or variable.name,
        "units": variable.units,
        "cell_methods": variable.cell_methods,
    }
    return {key: value for key, value in attributes.items() if value}


def closure_tolerances(domain: Domain) -> str:
    """How far the data may be from each law: `radiation: 1e-09 W m-2; ...`."""
    declared = {_array(law.name): f"{law.tolerance:g} {law.units}" for law in domain.laws if law.tolerance is not None}
    return "; ".join(f"{name}: {tolerance}" for name, tolerance in declared.items())


def equations(domain: Domain) -> str:
    """The laws as they are written, each once where it holds for every label of a dimension."""
    return "; ".join(dict.fromkeys(law.equation for law in domain.laws))


def _array(name: str) -> str:
    place = component(name)
    return place[0] if place else name


def data_attributes(domain: Domain, *, source: str, licence: str) -> dict[str, str]:
    """Global attributes of a data file that `lawful data <domain>` makes; nothing depends on when it is made."""
    return {
        "Conventions": CONVENTIONS,
        "title": domain.title,
        "source": source,
        "license": licence,
        "references": "; ".join(domain.references),
        "history": f"lawful data {domain.name}",
        "comment": domain.description,
        "lawful_domain": domain.name,
        "lawful_laws": equations(domain),
        "lawful_closure_tolerance": closure_tolerances(domain),
    }
