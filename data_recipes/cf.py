"""Attributes that CF asks for, taken from a domain."""

from lawful.domains import Domain, Variable

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
    return "; ".join(f"{law.name}: {law.tolerance:g} {law.units}" for law in domain.laws if law.tolerance is not None)


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
        "lawful_laws": "; ".join(law.equation for law in domain.laws),
        "lawful_closure_tolerance": closure_tolerances(domain),
    }
