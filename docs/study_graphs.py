"""Graphs: simulated molecules with a known distribution, and partial charges of real ones; with and without law.

    python docs/study_graphs.py

Rewrites two tables of `docs/models.md`; about five minutes on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import scoringrules as sr
import torch
import xarray as xr
from ground_truth_graphs import as_graphs, graph_distance, molecules
from timing import table, write_section

from lawful.core.linear import LinearSystem
from lawful.core.models.graphs import GraphModel, Graphs, GraphSettings
from lawful.core.training import Schedule, fit
from lawful.data_recipes import sample_path
from lawful.domains.partial_charge import DOMAIN

SEEDS = (0, 1, 2)
LEARNED, FRESH = 1500, 400
SCHEDULE = Schedule(steps=500, batch_size=48, rate=4e-3)
CHARGES = Schedule(steps=150, batch_size=32, rate=6e-3)
MEMBERS = 20


class WithoutLaw(GraphModel):
    """The same network and normal distribution, which nothing conditions on a total."""

    def _laws(self, graphs: Graphs) -> LinearSystem:
        return LinearSystem(torch.zeros(0, graphs.groups.width, dtype=torch.float64))

    def law_residual(self, graphs: Graphs, generator: torch.Generator) -> tuple[float, float]:
        """There is no law."""
        return 0.0, 0.0


def lawful_twin(model: GraphModel, of: GraphModel) -> GraphModel:
    """The weights of a model that was trained without the law, conditioned on it when it is used."""
    of.load_state_dict(model.state_dict())
    return of.eval()


def trained(model: GraphModel, graphs: Graphs, validation: torch.Tensor, schedule: Schedule, seed: int) -> GraphModel:
    """The model after its training."""
    fit(model, [graphs], validation, schedule, torch.Generator().manual_seed(seed))
    return model


def missed(model: GraphModel, graphs: Graphs) -> float:
    """How far totals of draws are from those given, root mean square."""
    z = model.sample(graphs, torch.Generator().manual_seed(5))
    return float((graphs.groups.sums(z) - graphs.totals).square().mean().sqrt())


def variants(size: tuple[int, int], width: int) -> dict[str, GraphModel]:
    """By name, with one network each."""

    def settings(correlated: bool) -> GraphSettings:
        return GraphSettings(width=width, rounds=3, correlated=correlated)

    return {
        "law, bonds correlated": GraphModel(*size, 0, settings(True)),
        "law, atoms independent": GraphModel(*size, 0, settings(False)),
        "no law, bonds correlated": WithoutLaw(*size, 0, settings(True)),
    }


def truth_rows() -> list[list[str]]:
    """Against the exact conditional distribution."""
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in SEEDS:
        graphs = as_graphs(molecules(LEARNED, seed), np.random.default_rng(seed))
        fresh = molecules(FRESH, 100 + seed)
        judged = as_graphs(fresh, np.random.default_rng(100 + seed))
        torch.manual_seed(seed)
        for name, model in variants((4, 3), 24).items():
            trained(model, graphs, torch.arange(LEARNED) % 8 == 0, SCHEDULE, seed)
            rows = {name: model}
            if isinstance(model, WithoutLaw):
                rows["law only in use"] = lawful_twin(model, GraphModel(4, 3, 0, model.settings))
            for row, judge in rows.items():
                distance = astuple(graph_distance(fresh, judged, judge))
                # The density of a model without the law has another support: neither number has a meaning.
                numbers = (*distance[:3], np.nan, np.nan) if isinstance(judge, WithoutLaw) else distance
                found.setdefault(row, []).append((*numbers, missed(judge, judged)))
                print(seed, row, found[row][-1], flush=True)
    return [[name, *cells(rows)] for name, rows in found.items()]


def charge_rows() -> list[list[str]]:
    """Real molecules that are not trained on: error of the mean, and how good the ensemble is."""
    data = xr.load_dataset(sample_path(DOMAIN))
    graphs, count = DOMAIN.graphs(data), data.sizes["molecule"]
    found: dict[str, list[tuple[float, ...]]] = {}
    for seed in SEEDS:
        part = torch.from_numpy(np.random.default_rng(seed).permutation(count) % 10).repeat(4)
        learned, judged = graphs[(part > 0).nonzero()[:, 0]], graphs[(part == 0).nonzero()[:, 0]]
        validation = part[part > 0] == 1
        torch.manual_seed(seed)
        for name, model in variants((9, 4), 24).items():
            trained(model, learned, validation, CHARGES, seed)
            found.setdefault(name, []).append((*judge_charges(model, judged), missed(model, judged)))
            print(seed, name, found[name][-1], flush=True)
    return [[name, *cells(rows, 4)] for name, rows in found.items()]


def judge_charges(model: GraphModel, judged: Graphs) -> tuple[float, float, float, float]:
    """Error of the mean and CRPS in elementary charges, spread over error, and the share within the 90 % interval."""
    mean, deviation = model.mean(judged), model.variance(judged).sqrt()
    error = judged.z - mean
    draws = model.sample(judged, torch.Generator().manual_seed(7), draws=MEMBERS).numpy()
    crps = sr.crps_ensemble(judged.z.numpy(), draws.T, estimator="fair").mean()
    within = (error.abs() <= 1.6448536269514722 * deviation).double().mean()
    spread = deviation.square().mean().sqrt() / error.square().mean().sqrt()
    return float(error.square().mean().sqrt()), float(crps), float(spread), float(within)


def cells(rows: Sequence[tuple[float, ...]], digits: int = 3) -> list[str]:
    """Means over seeds, with the largest; what is only rounding as a power of ten."""
    return [_cell(column, digits) for column in np.array(rows).T]


def _cell(column: np.ndarray, digits: int) -> str:
    if np.isnan(column).any():
        return "–"
    if column.max() < 1e-9:
        return f"{column.max():.0e}".replace("-", "−")
    return f"{column.mean():.{digits}f} ({column.max():.{digits}f})"


HEAD = f"""`python docs/study_graphs.py`. {LEARNED:,} molecules of 1 to 16 atoms to learn from, {FRESH} others to judge,
{SCHEDULE.steps:,} steps of {SCHEDULE.batch_size}. Means over {len(SEEDS)} seeds, in brackets the largest. Mean: root
mean square error of conditional means in conditional standard deviations; spread: relative error of these; correlation:
between atoms; both root mean square. Log density: mean absolute error. KL: of the model from the truth, a molecule.
Total missed: by a draw, root mean square, in charges.
"""

CHARGE_HEAD = f"""{CHARGES.steps} steps of {CHARGES.batch_size}; a tenth of the 1,600 molecules judges, chosen by the
seed. Errors in elementary charges, whose standard deviation over atoms is 0.32; CRPS of {MEMBERS} draws. Spread over
error is 1 and the interval holds 0.9 where the ensemble is calibrated.
"""


def main() -> None:
    """Train everything; write the tables."""
    torch.set_num_threads(1)
    head = ["model", "mean / sd", "spread", "correlation", "log density, nats", "KL, nats", "total missed"]
    write_section("graphs", HEAD + "\n" + table(head, truth_rows()), "models.md")
    head = ["model", "error of mean", "CRPS", "spread / error", "90 % interval", "total missed"]
    write_section("charges", CHARGE_HEAD + "\n" + table(head, charge_rows()), "models.md")


if __name__ == "__main__":
    main()
