"""Physical laws, variables and units; one file a domain; turns a data set into a linear system."""

from lawful.domains.declarations import Blocks, Context, Law, Ratio, Variable
from lawful.domains.domain import Domain
from lawful.domains.equation import ParsedEquation, parse_equation
from lawful.domains.errors import InputError
from lawful.domains.registry import get_domain, list_domains

__all__ = [
    "Blocks",
    "Context",
    "Domain",
    "InputError",
    "Law",
    "ParsedEquation",
    "Ratio",
    "Variable",
    "get_domain",
    "list_domains",
    "parse_equation",
]
