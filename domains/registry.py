"""Finds domains: YAML files, and the entry points `lawful.domains` of every installed distribution."""

from importlib.metadata import EntryPoint, entry_points

from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.shaped import ShapedDomain
from lawful.domains.yaml_domain import is_domain_file, load_any_domain

GROUP = "lawful.domains"


def list_domains() -> tuple[str, ...]:
    """Names of the installed domains, in alphabetical order."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def find_any_domain(word: str) -> Domain | ShapedDomain:
    """The domain, of events, graphs or fields, that a word on the command line means: a YAML file, or a name.

    Raises:
        InputError: the file does not declare a domain, or there is none of that name.
    """
    return load_any_domain(word) if is_domain_file(word) else get_any_domain(word)


def find_domain(word: str) -> Domain:
    """The domain of events that a word on the command line means: a YAML file, or the name of an installed domain.

    Raises:
        InputError: the file does not declare a domain, there is none of that name, or it is one of graphs or fields.
    """
    return require_events(find_any_domain(word))


def get_domain(name: str) -> Domain:
    """The domain of events of that name.

    Raises:
        InputError: there is none, two distributions bring one of that name, or it is one of graphs or fields.
    """
    return require_events(get_any_domain(name))


def require_events(domain: Domain | ShapedDomain) -> Domain:
    """The domain where it is one of events; InputError for others."""
    if isinstance(domain, ShapedDomain):
        raise InputError(f"domain {domain.name!r} is one of graphs or fields, and only vectors of variables do here")
    return domain


def get_any_domain(name: str) -> Domain | ShapedDomain:
    """The domain of that name, of events, graphs or fields.

    Raises:
        InputError: there is none, or two distributions bring one of that name.
    """
    points = _distinct(name)
    if not points:
        there = ", ".join(list_domains()) or "none"
        raise InputError(f"no domain {name!r}; installed are {there} (a file of your own ends in .yaml)")
    if len(points) > 1:
        raise InputError(f"two domains are called {name!r}, from {' and '.join(map(_origin, points))}: uninstall one")
    return _load(points[0])


def _distinct(name: str) -> list[EntryPoint]:
    # An editable install may list its own metadata twice on sys.path.
    found = {(_distribution(point), point.value): point for point in entry_points(group=GROUP, name=name)}
    return [found[key] for key in sorted(found)]


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown distribution"


def _origin(point: EntryPoint) -> str:
    return f"{_distribution(point)} ({point.value})"


def _load(point: EntryPoint) -> Domain | ShapedDomain:
    try:
        domain: object = point.load()
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"domain {point.name!r} from {_origin(point)} does not load: {reason}") from error
    if not isinstance(domain, Domain | ShapedDomain):
        raise InputError(f"domain {point.name!r} from {_origin(point)} is a {type(domain).__name__}, not a Domain")
    if domain.name != point.name:
        raise InputError(f"domain {point.name!r} from {_origin(point)} calls itself {domain.name!r}")
    return domain
