"""Peers from PyPI, as rows of a comparison: they are optional, and know nothing of our formats."""

import importlib.util

from lawful.domains import InputError

SHIELD, TABLE, POLYTOPE = "pishield", "sdv-copula", "hopsy"
PEERS = {SHIELD: "pishield", TABLE: "sdv", POLYTOPE: "hopsy"}
"""Names of rows, and the packages that they need."""

SAMPLERS = (TABLE, POLYTOPE)
"""Those that make events themselves, with no network that a strategy could be put into."""


def require_peer(name: str) -> None:
    """Raise InputError when the package of a peer is not installed."""
    if importlib.util.find_spec(PEERS[name]) is None:
        raise InputError(f'{name}: needs the package {PEERS[name]}; pip install "lawful[peers]"')
