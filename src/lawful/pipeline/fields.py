"""Fields on a grid, as the pipeline trains and draws them."""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from lawful.core.models.fields import FieldModel, Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.models.fields.charts import FieldChart
from lawful.core.training import Schedule
from lawful.domains.field_domain import FieldDomain

_CHUNK = 64


class FieldKind:
    """Flow matching in the coordinates of a chart: `PositiveFields` or `LinearFields`, by the bounds of the domain."""

    family = "field"

    def settings(self, domain: FieldDomain, fast: bool) -> FieldSettings:
        if fast:
            return FieldSettings(width=8, levels=1, steps=5, periodic=domain.periodic)
        return FieldSettings(width=16, levels=2, steps=10, periodic=domain.periodic)

    def schedule(self, fast: bool) -> Schedule:
        return Schedule(steps=60, batch_size=16, check_every=30) if fast else Schedule(steps=1000, batch_size=24)

    def events(self, domain: FieldDomain, ds: xr.Dataset) -> Fields:
        return domain.fields(ds)

    def model(self, domain: FieldDomain, ds: xr.Dataset, settings: FieldSettings) -> FieldModel:
        z, weights = domain.fields(ds).z, domain.weights_of(ds)
        chart: FieldChart = (
            PositiveFields.fit(z, domain.block, weights=weights)
            if domain.positive
            else LinearFields.fit(z, domain.block, weights=weights, cell_laws=domain.cell_laws())
        )
        return FieldModel(chart, len(domain.covariates), settings)

    def tensors(self, model: FieldModel) -> dict[str, Tensor]:
        return model.chart.tensors()

    def empty(self, domain: FieldDomain, tensors: dict[str, Tensor], settings: FieldSettings) -> FieldModel:
        shape = (len(domain.variables), *tensors["weights"].shape)
        made = PositiveFields if domain.positive else LinearFields
        return FieldModel(made(shape, domain.block, **tensors), len(domain.covariates), settings)

    def draw(
        self, model: FieldModel, domain: FieldDomain, ds: xr.Dataset, members: int, generator: torch.Generator,
        dtype: torch.dtype, done: Callable[[int], None],
    ) -> tuple[xr.Dataset, dict[str, tuple[tuple[str, ...], np.ndarray]]]:  # fmt: skip
        asked, parts = domain.fields(ds), []
        for _ in range(members):
            for rows in torch.arange(len(asked)).split(_CHUNK):
                parts.append(model.sample(asked[rows], generator, dtype=dtype))
                done(len(rows))
        z = torch.cat(parts).unflatten(0, (members, len(asked))).numpy()
        dims = ("realization", domain.dim, domain.rows, domain.columns)
        bare = ds.drop_vars(domain.names, errors="ignore")
        return bare, {name: (dims, z[:, :, k]) for k, name in enumerate(domain.names)}


FIELDS = FieldKind()
