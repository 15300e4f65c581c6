"""Domains of fields: variables on a fine grid whose means over blocks of cells are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import xarray as xr
from pydantic import Field, ValidationInfo, field_validator, model_validator

from lawful.domains.declarations import Law, Variable
from lawful.domains.errors import InputError
from lawful.domains.flatten import flat_laws
from lawful.domains.shaped import ShapedDomain, Views, Whole

if TYPE_CHECKING:
    # torch is slow to import, and whoever only lists domains does not need it.
    from lawful.core.models.fields import Fields


class FieldDomain(ShapedDomain):
    """The law is that the mean of each variable over a block of cells is its coarse value, for every block.

    A data set holds fine variables (event, row, column), or where there is nothing to learn from their block means,
    named `{variable}_coarse`, with numbers of blocks in the place of numbers of cells. A cell where a variable is
    missing in every sample, such as one of the sea, or whose weight is zero or missing, is not of the field: means are
    those of the other cells, and a block without others has none.

    Attributes:
        event, dim: what a sample is, and its dimension: "day", "time".
        rows, columns: names of the dimensions of the grid.
        block: rows and columns of a block, which divide those of the grid.
        variables: all of zero or more (`lower: 0`), with exact zeros, or all without bounds.
        laws: equations between the variables of a cell without a constant, such as `net = down - up`; for variables
            without bounds. Terms are converted into the units of the law.
        covariates: variables of the file on the fine grid, such as topography, the same for all samples or not.
        weights: a variable (row, column), (row,) or (column,) of the file, such as areas of cells, or of their land.
        periodic: whether the last column is a neighbour of the first.
    """

    event: str
    dim: str
    rows: str
    columns: str
    block: tuple[int, int]
    variables: tuple[Variable, ...] = Field(min_length=1)
    laws: tuple[Law, ...] = ()
    covariates: tuple[str, ...] = ()
    weights: str | None = None
    periodic: bool = False

    @property
    def generated(self) -> tuple[Variable, ...]:
        return self.variables

    @property
    def noun(self) -> str:
        return self.event

    @property
    def stored(self) -> tuple[str, ...]:
        known = [*self.covariates, *([self.weights] if self.weights else [])]
        return (*self.names, *map(coarse, self.names), *known, *([self.blocks.label] if self.blocks.label else []))

    @property
    def held_to(self) -> tuple[str, ...]:
        return tuple(map(coarse, self.names))

    @property
    def judged_by(self) -> tuple[str, ...]:
        return (*self.names, *self.held_to, *([self.weights] if self.weights else []))

    @property
    def tolerances(self) -> dict[str, float | None]:
        return {**{law_of(v): None for v in self.variables}, **{law.name: law.tolerance for law in self.laws}}

    @property
    def event_dim(self) -> str:
        return self.dim

    @property
    def positive(self) -> bool:
        """Whether fields are of zero or more."""
        return self.variables[0].lower == 0

    @property
    def equations(self) -> dict[str, str]:
        by = f", weighted by {self.weights}" if self.weights else ""
        means = {law_of(v): f"mean({v.name} over {self._block}{by}) = {coarse(v.name)}" for v in self.variables}
        return {**means, **{law.name: law.equation for law in self.laws}}

    @property
    def _block(self) -> str:
        return f"{self.block[0]} x {self.block[1]} cells"

    def cell_laws(self) -> np.ndarray:
        """Coefficients (laws, variables) of the laws of a cell, from the units of the variables to those of the law."""
        rows = [law.parsed.row(self.names) for law in self.laws]
        return np.array(rows, dtype=np.float64).reshape(len(self.laws), len(self.names))

    def views(self, *datasets: xr.Dataset) -> Views:
        from lawful.domains.field_views import field_views

        return field_views(self, datasets[0])

    def wholes(self, ds: xr.Dataset) -> tuple[Whole, ...]:
        from lawful.domains.field_blocks import whole_blocks

        return whole_blocks(self, ds)

    def fields(self, ds: xr.Dataset) -> Fields:
        """The fields of a data set: those to learn from, or coarse ones alone.

        Raises:
            InputError: a variable is not there, or does not fit the grid.
        """
        import torch

        from lawful.core.models.fields import Fields
        from lawful.core.models.fields.blocks import Blocks

        told = np.stack([self._field(ds, name) for name in self.covariates], 1) if self.covariates else None
        if self.names[0] not in ds:
            means = np.stack([ds[coarse(name)].to_numpy() for name in self.names], 1)
            shape = (means.shape[2] * self.block[0], means.shape[3] * self.block[1])
            return Fields.of(means, context=told, shape=shape)
        z = np.stack([self._field(ds, name) for name in self.names], 1)
        blocks = Blocks(z.shape[1:], self.block, self.weights_of(ds))
        return Fields.of(blocks.means(torch.from_numpy(z)), z=z, context=told)

    def weights_of(self, ds: xr.Dataset, inside: np.ndarray | None = None) -> np.ndarray | None:
        """Weights (rows, columns) of cells, zero for those not `inside` the field of `ds`; None for equal ones."""
        inside = self.inside(ds) if inside is None else inside
        if self.weights is None:
            return None if inside.all() else inside.astype(np.float64)
        return np.where(inside, _along(ds, self.weights, (self.rows, self.columns)), 0.0)

    def inside(self, ds: xr.Dataset) -> np.ndarray:
        """Which cells (rows, columns) are of the field; all, where no cell would be."""
        along = (self.rows, self.columns)
        sides = zip(along, self.block, strict=True)
        shape = tuple(ds.sizes.get(dim, ds.sizes.get(f"{dim}_coarse", 0) * size) for dim, size in sides)
        inside = np.ones(shape, dtype=bool)
        if self.weights is not None:
            inside &= _along(ds, self.weights, along) > 0
        for name in self.names:
            if name in ds:
                others = [dim for dim in ds[name].dims if dim not in along]
                inside &= ds[name].notnull().any(others).transpose(*along).to_numpy()
        return inside if inside.any() else np.ones(shape, dtype=bool)

    def _field(self, ds: xr.Dataset, name: str) -> np.ndarray:
        return _along(ds, name, (self.dim, self.rows, self.columns))

    @field_validator("laws", mode="after")
    @classmethod
    def _laws_in_their_units(cls, laws: tuple[Law, ...], info: ValidationInfo) -> tuple[Law, ...]:
        known = info.data
        return flat_laws(laws, known["variables"], (), {}, known.get("density")) if "variables" in known else laws

    @model_validator(mode="after")
    def _bounds_can_be_held(self) -> Self:
        for v in self.variables:
            if v.upper is not None or v.lower not in (None, 0) or (v.lower == 0) != self.positive:
                raise InputError(f"{v.name}: fields have `lower: 0`, all of them, or no bounds", ("variables", v.name))
            if v.over or v.given or v.resolution or v.closes or v.categorical:
                raise InputError(
                    f"{v.name}: fields have no over, given, resolution, closes or flags", ("variables", v.name)
                )
        if self.laws and self.positive:
            raise InputError("laws between variables of a cell are for fields without bounds", ("laws",))
        for law in self.laws:
            if not law.is_equality or law.parsed.constant:
                raise InputError(f"law {law.name!r} must be an equation, no constant", ("laws", law.name))
        return self


def _along(ds: xr.Dataset, name: str, dims: tuple[str, ...]) -> np.ndarray:
    """A variable as float64 along all of `dims`, the same along those that it does not have."""
    sizes = {dim: ds.sizes[dim] for dim in dims}
    values = ds[name].variable.set_dims(sizes).transpose(*dims)
    return np.ascontiguousarray(values.to_numpy().astype(np.float64))


def coarse(name: str) -> str:
    """What block means of a variable are called."""
    return f"{name}_coarse"


def law_of(variable: Variable) -> str:
    """What the law of a variable's block means is called."""
    return f"{variable.name} means"
