"""What every domain must pass: for the tests of packages that bring one. `lawful.testing` adds a short run."""

import numpy as np
import xarray as xr

from lawful.core import LawfulError
from lawful.domains.blocks import block_labels
from lawful.domains.context import context_features
from lawful.domains.declarations import Law
from lawful.domains.domain import Domain
from lawful.domains.errors import InputError
from lawful.domains.problem import problem_of

_SINGLE_PRECISION = 1e-6
_SEED = 0


def check_declaration(domain: Domain, example: xr.Dataset) -> None:
    """Check a domain against an example of its data, float64 in the domain's units along its event dimension.

    Units are understood; laws, inequalities and bounds can hold together; the example obeys them, to the closure
    tolerance that each law declares or single precision; an example that is perturbed in any one variable of a law is
    caught by that law; laws hold in standardised variables as they do in physical ones; context and blocks can be
    worked out.

    Raises:
        InputError: one line on the first of these that is not so.
    """
    require_known_units(domain)
    require_consistent(domain)
    z = np.stack([example[name].to_numpy().astype(np.float64) for name in domain.names], axis=1)
    require_obeyed(domain, z)
    require_watchful(domain, z)
    require_scaling(domain, z)
    context_features(example, domain)
    block_labels(example, domain)


def require_known_units(domain: Domain) -> None:
    """Raise InputError for units that are not understood."""
    # Here, because pint is slow to import.
    from lawful.domains.units import require_units

    stated = [(v.name, v.units) for v in domain.variables] + [(law.name, law.units) for law in domain.laws]
    stated += [(p.name, p.units) for p in domain.parameters] + [(r.name, r.units) for r in domain.ratios]
    for name, units in stated:
        try:
            require_units(units)
        except InputError as error:
            raise InputError(f"domain {domain.name!r}, {name}: {error}") from error


def require_consistent(domain: Domain) -> None:
    """Raise InputError when no event can obey laws, inequalities and bounds together; those that clash are named."""
    problem = problem_of(domain)
    try:
        problem.require_feasible()
        _ = problem.system
    except LawfulError as error:
        raise InputError(f"domain {domain.name!r}: {error}") from error


def require_obeyed(domain: Domain, z: np.ndarray) -> None:
    """Raise InputError when an event of `z` (events, variables) leaves a bound or breaks a law; its number is given."""
    outside = (z < domain.lower) | (z > domain.upper)
    if outside.any():
        event, column = np.argwhere(outside)[0]
        raise InputError(
            f"domain {domain.name!r}: event {event} of the example has {domain.names[column]} = {z[event, column]:g}, "
            "which is out of bounds"
        )
    for law, misfit, allowed in _misfits(domain, z):
        if (misfit > allowed).any():
            event = int((misfit - allowed).argmax())
            raise InputError(
                f"domain {domain.name!r}: event {event} of the example breaks law {law.name!r} by {misfit[event]:.3g} "
                f"{law.units}, more than {allowed[event]:.3g}"
            )


def require_watchful(domain: Domain, z: np.ndarray) -> None:
    """Raise InputError when a law does not notice that one of its variables is changed, or one in no law is noticed."""
    for column, name in enumerate(domain.names):
        changed = z.copy()
        changed[:, column] += 10 + 10 * np.abs(z).max()
        for law, misfit, allowed in _misfits(domain, changed):
            noticed = bool((misfit > allowed).all())
            if law.is_equality and noticed != (name in law.parsed.names):
                fault = "does not notice" if not noticed else "changes with"
                raise InputError(f"domain {domain.name!r}: law {law.name!r} {fault} {name}")


def require_scaling(domain: Domain, z: np.ndarray) -> None:
    """Raise InputError when the factorised laws have another misfit than `(A s) v = b - A c`, with `z = c + s v`."""
    rng = np.random.default_rng(_SEED)
    A, b, names = domain.matrix()
    centre, scale = z.mean(0), rng.uniform(0.1, 10, z.shape[1]) * np.maximum(z.std(0), 1e-3)
    physical = domain.system().residual(z).numpy()
    standard = ((z - centre) / scale) @ (A * scale).T - (b - A @ centre)
    rounding = _SINGLE_PRECISION * (np.abs(z) @ np.abs(A).T + np.abs(b) + np.abs(A) @ np.abs(centre))
    wrong = np.abs(physical - standard) > rounding
    if wrong.any():
        raise InputError(
            f"domain {domain.name!r}: law {names[np.argwhere(wrong)[0][1]]!r} changes when data are scaled"
        )


def _misfits(domain: Domain, z: np.ndarray) -> list[tuple[Law, np.ndarray, np.ndarray]]:
    """For each law its misfit (events,) and what is allowed of it."""
    equalities = zip(domain.equalities, *domain.matrix()[:2], strict=True)
    inequalities = zip(domain.inequalities, *domain.inequality_matrix()[:2], strict=True)
    return [_misfit(law, row, b, z) for law, row, b in (*equalities, *inequalities)]


def _misfit(law: Law, row: np.ndarray, b: float, z: np.ndarray) -> tuple[Law, np.ndarray, np.ndarray]:
    residual = z @ row - b
    by_default = _SINGLE_PRECISION * (np.abs(z) @ np.abs(row) + abs(b))
    allowed = by_default if law.tolerance is None else np.full(len(z), law.tolerance)
    return law, np.abs(residual) if law.is_equality else residual, allowed
