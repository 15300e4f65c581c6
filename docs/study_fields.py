"""Fields given their block means: a Gaussian random field with a known conditional distribution, and rain with zeros.

    python docs/study_fields.py

Rewrites two tables of `docs/models.md`; about five minutes on one core.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import torch
from ground_truth_fields import GaussianField, field_distance
from scipy.stats import wasserstein_distance
from study_ground_truth import cells
from timing import table, write_section

from lawful.core.models.fields import FieldModel, Fields, FieldSettings, LinearFields, PositiveFields
from lawful.core.models.fields.charts import FieldChart
from lawful.core.training import Schedule, fit

SEEDS = (0, 1, 2)
LEARNED, ASKED, MEMBERS = 1500, 40, 6
SCHEDULE = Schedule(steps=800, batch_size=24, rate=3e-3)
NETWORK = FieldSettings(width=12, levels=2, steps=8)
TRUTH = GaussianField()


def trained(chart: FieldChart, z: torch.Tensor, seed: int) -> FieldModel:
    """A model of fine fields (N, 1, H, W) given their block means."""
    torch.manual_seed(seed)
    model = FieldModel(chart, 0, NETWORK)
    fields = Fields.of(chart.blocks.means(z), z=z)
    fit(model, [fields], torch.arange(len(z)) % 8 == 0, SCHEDULE, torch.Generator().manual_seed(seed))
    return model


def drawn(model: FieldModel, coarse: torch.Tensor, seed: int) -> tuple[np.ndarray, float]:
    """Draws (members, count, 1, H, W), and the largest misfit of their means in ulps."""
    asked = Fields.of(coarse.repeat(MEMBERS, 1, 1, 1), shape=(TRUTH.side, TRUTH.side))
    z = model.sample(asked, torch.Generator().manual_seed(100 + seed))
    ulps = model.chart.system(asked.coarse).ulps(z.flatten(1)).max()
    return z.numpy().reshape(MEMBERS, -1, *z.shape[1:]), float(ulps)


def gaussian_rows() -> list[list[str]]:
    """Against the exact conditional distribution, with its own draws and lawful white noise beside the model's."""
    found: dict[str, list[tuple[float, ...]]] = {"exact draws": [], "white noise on the laws": [], "flow matching": []}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        z, fresh = (torch.from_numpy(TRUTH.draw(count, rng)) for count in (LEARNED, ASKED))
        chart = LinearFields.fit(z, (TRUTH.block, TRUTH.block))
        coarse = chart.blocks.means(fresh)
        known = coarse.numpy()
        exact = np.stack([TRUTH.exact(known, rng) for _ in range(MEMBERS)])
        noise = torch.from_numpy(rng.normal(size=(MEMBERS * ASKED, 1, TRUTH.side, TRUTH.side)))
        white = TRUTH.mean(known) + (chart.scale * chart.tangent(noise)).numpy().reshape(exact.shape)
        made, ulps = drawn(trained(chart, z, seed), coarse, seed)
        for name, draws, off in zip(found, (exact, white, made), (0.0, 0.0, ulps), strict=True):
            found[name].append((*astuple(field_distance(TRUTH, known, draws)), off))
            print(seed, name, found[name][-1], flush=True)
    return [[name, *cells(rows)] for name, rows in found.items()]


def rain(count: int, rng: np.random.Generator) -> torch.Tensor:
    """A power of what of the Gaussian field is above half: about two thirds of the cells are exactly zero."""
    return torch.from_numpy(np.maximum(TRUTH.draw(count, rng) - 0.5, 0.0) ** 1.5)


def rain_rows() -> list[list[str]]:
    """Draws for coarse fields that are not trained on, beside the fine fields that these are the means of."""
    found: dict[str, list[tuple[float, ...]]] = {"other fields": [], "even within blocks": [], "flow matching": []}
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        z, fresh, other = (rain(count, rng) for count in (LEARNED, ASKED * MEMBERS, ASKED * MEMBERS))
        chart = PositiveFields.fit(z, (TRUTH.block, TRUTH.block))
        coarse = chart.blocks.means(fresh)
        made, ulps = drawn(trained(chart, z, seed), coarse[:ASKED], seed)
        same = fresh[:ASKED].numpy()
        for name, draws, truth, off in (
            ("other fields", other.numpy(), fresh.numpy(), 0.0),
            ("even within blocks", chart.blocks.spread(coarse[:ASKED]).numpy(), same, 0.0),
            ("flow matching", made.reshape(-1, *same.shape[1:]), same, ulps),
        ):
            found[name].append((*rain_distance(draws, truth), off))
            print(seed, name, found[name][-1], flush=True)
    return [[name, *cells(rows)] for name, rows in found.items()]


def rain_distance(z: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """Differences of shares of zeros, of neighbours that are both zero or both not, and of cells above the 99th
    percentile; W1 of values above zero over their standard deviation; relative difference of squared steps."""
    level, sd = np.quantile(truth, 0.99), truth[truth > 0].std()

    def alike(x: np.ndarray) -> float:
        return float(((x[..., 1:] > 0) == (x[..., :-1] > 0)).mean())

    def rough(x: np.ndarray) -> float:
        return float((np.diff(x, axis=-1) ** 2).mean())

    return (
        abs(float((z == 0).mean() - (truth == 0).mean())), abs(alike(z) - alike(truth)),
        abs(float((z > level).mean()) - 0.01), wasserstein_distance(z[z > 0], truth[truth > 0]) / sd,
        abs(rough(z) / rough(truth) - 1),
    )  # fmt: skip


HEAD = f"""`python docs/study_fields.py`. A field of {TRUTH.side} by {TRUTH.side} cells with exponential covariance,
given its means over {TRUTH.block} by {TRUTH.block}; {LEARNED:,} fields to learn from, {SCHEDULE.steps} steps of
{SCHEDULE.batch_size}, {ASKED} other coarse fields with {MEMBERS} draws each. Means over {len(SEEDS)} seeds, in brackets
the largest. Root mean square errors of conditional means (in conditional standard deviations), of standard deviations
(relative) and of correlations between cells; largest relative error of the spectrum of anomalies.
"""

RAIN_HEAD = """Rain that is exactly zero in two thirds of the cells. Differences from the fine fields that were
averaged: shares of zeros, of neighbours that are alike in being zero, of cells above the 99th percentile; W1 of values
above zero; mean squared step from cell to cell (relative).
"""


def main() -> None:
    """Train everything; write the tables."""
    torch.set_num_threads(1)
    head = ["draws", "mean / sd", "spread", "correlation", "spectrum", "ulps"]
    write_section("fields", HEAD + "\n" + table(head, gaussian_rows()), "models.md")
    head = ["draws", "zeros", "neighbours", "above 99 %", "W1 / sd", "steps", "ulps"]
    write_section("rain", RAIN_HEAD + "\n" + table(head, rain_rows()), "models.md")


if __name__ == "__main__":
    main()
