"""Every law, inequality, bound and ratio of a domain, judged together."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from lawful.domains.domain import Domain
from lawful.reports.physics.columns import Block, Columns, Piece
from lawful.reports.physics.equations import Equation
from lawful.reports.physics.limits import Bound, Inequality, Membership, Quotient
from lawful.reports.physics.place import Where
from lawful.reports.physics.tolerance import Tolerance


class Judges:
    """All judges of a domain, fed together so that the file is read once.

    Args:
        columns: the file.
        domain: laws, bounds, ratios.
        where: names the places of the file.
        tolerance: of every law.
        tolerances: by name of law, what takes its place.
    """

    def __init__(
        self,
        columns: Columns,
        domain: Domain,
        where: Where,
        tolerance: Tolerance,
        tolerances: Mapping[str, Tolerance] | None = None,
    ):
        domain.require_constant(domain.laws)
        self._names = domain.names
        allowed = {law.name: tolerance for law in domain.laws} | dict(tolerances or {})
        self.laws = [Equation(law, domain, allowed[law.name], where, columns.sizes) for law in domain.equalities]
        self.inequalities = [Inequality(law, domain, allowed[law.name], where) for law in domain.inequalities]
        self.categories = [Membership(v, k, where) for k, v in enumerate(domain.variables) if v.categorical]
        self.bounds = [
            Bound(variable, position, side, bound, columns.columns[position], where)
            for position, variable in enumerate(domain.variables)
            for side, bound in (("lower", variable.lower), ("upper", variable.upper))
            if bound is not None
        ]
        self.ratios = [Quotient(ratio, domain, where) for ratio in domain.ratios]
        self._nan, self._infinite, self._missing = 0, 0, Counter[str]()
        self._where, self._first = where, dict[str, dict[str, Any]]()

    @property
    def _all(self) -> tuple[Equation | Inequality | Membership | Bound | Quotient, ...]:
        return (*self.laws, *self.inequalities, *self.categories, *self.bounds, *self.ratios)

    def add(self, block: Block, columns: Columns) -> None:
        """Judge one block."""
        for law in self.laws:
            law.start(block)
        for piece in columns.pieces(block):
            for judge in self._all:
                judge.add(block, piece)
            if not piece.finite:
                self._count(block, piece)
        for law in self.laws:
            law.finish(block)

    def broken(self, piece: Piece) -> np.ndarray:
        """Mask (samples,) of the samples of a finite piece that break a law, an inequality or a bound."""
        judged: tuple[Equation | Inequality | Membership | Bound, ...]
        judged = (*self.laws, *self.inequalities, *self.categories, *self.bounds)
        return np.logical_or.reduce([np.zeros(piece.size, dtype=bool), *(judge.broken(piece) for judge in judged)])

    def _count(self, block: Block, piece: Piece) -> None:
        for name, column in zip(self._names, piece.values, strict=True):
            nan, infinite = int(np.isnan(column).sum()), int(np.isinf(column).sum())
            self._nan += nan
            self._infinite += infinite
            self._missing[name] += nan + infinite
            if nan + infinite and name not in self._first:
                first = int((~np.isfinite(column)).argmax())
                self._first[name] = self._where.at(block.index, piece.flat(first))

    @property
    def finite(self) -> bool:
        """Whether all values so far are."""
        return self._nan + self._infinite == 0

    def results(self, samples: int) -> dict[str, Any]:
        """What all of them found."""
        complete = samples > 0 and self.finite
        laws = [law.result(complete=complete) for law in self.laws]
        limits: list[Inequality | Membership] = [*self.inequalities, *self.categories]
        rows, bounds = ([judge.result() for judge in judges] for judges in (limits, self.bounds))
        closes = [law["closure"]["holds"] for law in laws if law["closure"]]
        return {
            "nan": self._nan,
            "infinite": self._infinite,
            "not_finite_by_variable": {name: count for name, count in self._missing.items() if count},
            "not_finite_first": self._first,
            "laws": laws,
            "inequalities": rows,
            "bounds": bounds,
            "ratios": [ratio.result() for ratio in self.ratios],
            "holds": complete and all(entry["holds"] for entry in (*laws, *rows, *bounds)),
            "closes": all(closes) if closes else None,
        }
