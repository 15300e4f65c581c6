"""Physical laws, variables and units; one file a domain; turns a data set into a linear system."""

from lawful.domains.declarations import Blocks, Context, Law, Parameter, Ratio, Task, Variable
from lawful.domains.domain import Domain
from lawful.domains.equation import ParsedEquation, parse_equation
from lawful.domains.errors import InputError
from lawful.domains.registry import find_any_domain, find_domain, get_any_domain, get_domain, list_domains
from lawful.domains.shaped import ShapedDomain, View, Whole
from lawful.domains.yaml_domain import is_domain_file, load_any_domain, load_domain

__all__ = [
    "Blocks",
    "Context",
    "Domain",
    "InputError",
    "Law",
    "Parameter",
    "ParsedEquation",
    "Ratio",
    "ShapedDomain",
    "Task",
    "Variable",
    "View",
    "Whole",
    "find_any_domain",
    "find_domain",
    "get_any_domain",
    "get_domain",
    "is_domain_file",
    "list_domains",
    "load_any_domain",
    "load_domain",
    "parse_equation",
]
