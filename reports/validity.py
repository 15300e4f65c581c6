"""Physics validity: does every stored sample obey every law, inequality and bound?"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from lawful.domains.domain import Domain
from lawful.reports.arrays import REALIZATION, plain
from lawful.reports.physics.columns import Block, Columns, Piece
from lawful.reports.physics.equations import Equation
from lawful.reports.physics.limits import Bound, Inequality, Quotient
from lawful.reports.physics.place import Where
from lawful.reports.physics.tolerance import LAWFUL_ULPS, Tolerance


def validity(
    ds: xr.Dataset,
    domain: Domain,
    *,
    tolerance_ulps: float = LAWFUL_ULPS,
    tolerances: Mapping[str, Tolerance] | None = None,
    steps: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Judge every sample of a dataset against the laws, inequalities and bounds of a domain.

    Law i holds in a sample when `|a.z - b| <= c (sum_j |a_j| h(z_j) + h(b))`, where `h` is half the spacing of the
    stored representation at that value (float64, float32, packed integers, or so many digits) and
    `c = tolerance_ulps`; rounding to the stored type alone gives at most c = 1. Sums are so exact that the judge's own
    rounding does not count (`lawful.reports.physics.residuals.misfit`). Inequalities `c.z <= d` are judged by the same
    ratio, save plain comparisons of two variables, which are judged exactly, as bounds are. NaN and infinite values
    are counted, no law is judged on them, and with one of them the whole does not hold.

    A dataset that is opened and not loaded is read block by block, once, in its own precision and units.

    Args:
        ds: variables as stored, all with the same dimensions: the domain's event dimension, and others as there may be;
            `realization` is that of ensemble members.
        domain: variables, laws, bounds.
        tolerance_ulps: c above, without unit.
        tolerances: by name of law, what takes its place.
        steps: last printed digit by variable, in the domain's units, for files that do not tell.

    Returns:
        A JSON-ready dict: "laws", "inequalities", "bounds", "ratios" (lists of dicts), counts, and "holds". "closes"
        says whether the residuals lie within the tolerances that the laws declare for data (None: none is declared).

    Raises:
        InputError: a variable or the event dimension is missing, or dimensions or units do not fit.
    """
    columns = Columns(ds, domain, steps)
    allowed = {law.name: Tolerance("ulps", tolerance_ulps) for law in domain.laws} | dict(tolerances or {})
    judges = _Judges(columns, domain, Where(ds, domain, columns.dims), allowed)
    # What overflows is not judged, and so does not hold.
    with np.errstate(over="ignore", invalid="ignore"):
        for block in columns.blocks():
            judges.add(block, columns)
    return plain({**_heading(columns, domain, tolerance_ulps), **judges.results(columns.samples)})


class _Judges:
    """All judges of a domain, fed together so that the file is read once."""

    def __init__(self, columns: Columns, domain: Domain, where: Where, allowed: Mapping[str, Tolerance]):
        self._names = domain.names
        self.laws = [Equation(law, domain, allowed[law.name], where, columns.sizes) for law in domain.equalities]
        self.inequalities = [Inequality(law, domain, allowed[law.name], where) for law in domain.inequalities]
        self.bounds = [
            Bound(variable, position, side, bound, columns.columns[position], where)
            for position, variable in enumerate(domain.variables)
            for side, bound in (("lower", variable.lower), ("upper", variable.upper))
            if bound is not None
        ]
        self.ratios = [Quotient(ratio, domain, where) for ratio in domain.ratios]
        self._nan, self._infinite, self._missing = 0, 0, Counter[str]()

    @property
    def _all(self) -> tuple[Equation | Inequality | Bound | Quotient, ...]:
        return (*self.laws, *self.inequalities, *self.bounds, *self.ratios)

    def add(self, block: Block, columns: Columns) -> None:
        """Judge one block."""
        for law in self.laws:
            law.start(block)
        for piece in columns.pieces(block):
            for judge in self._all:
                judge.add(block, piece)
            if not piece.finite:
                self._count(piece)
        for law in self.laws:
            law.finish(block)

    def _count(self, piece: Piece) -> None:
        for name, column in zip(self._names, piece.values, strict=True):
            nan, infinite = int(np.isnan(column).sum()), int(np.isinf(column).sum())
            self._nan += nan
            self._infinite += infinite
            self._missing[name] += nan + infinite

    def results(self, samples: int) -> dict[str, Any]:
        """What all of them found."""
        complete = samples > 0 and self._nan + self._infinite == 0
        laws = [law.result(complete=complete) for law in self.laws]
        rows, bounds = ([judge.result() for judge in judges] for judges in (self.inequalities, self.bounds))
        closes = [law["closure"]["holds"] for law in laws if law["closure"]]
        return {
            "nan": self._nan,
            "infinite": self._infinite,
            "not_finite_by_variable": {name: count for name, count in self._missing.items() if count},
            "laws": laws,
            "inequalities": rows,
            "bounds": bounds,
            "ratios": [ratio.result() for ratio in self.ratios],
            "holds": complete and all(entry["holds"] for entry in (*laws, *rows, *bounds)),
            "closes": all(closes) if closes else None,
        }


def _heading(columns: Columns, domain: Domain, tolerance_ulps: float) -> dict[str, Any]:
    return {
        "domain": domain.name,
        "realizations": columns.sizes.get(REALIZATION, 1),
        "events": columns.sizes[domain.event_dim],
        "samples": columns.samples,
        "tolerance_ulps": tolerance_ulps,
        "stored": {name: c.storage.described for name, c in zip(domain.names, columns.columns, strict=True)},
        "notes": columns.notes,
    }
