"""Every strategy against distributions that are known in closed form, under two families of networks.

    python docs/study_strategies.py FOLDER [HOW MANY TRUTHS]

Rewrites a table of `docs/compare.md`; about forty minutes on one core for all five. What is finished is kept in
FOLDER, from which a second call goes on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from ground_truth import Truth, distance, truths
from study_ground_truth import EVENTS, NETWORKS, SCHEDULE, SEEDS, learned
from timing import table, write_section

from lawful.core.models.raw import Space, made_strategy
from lawful.core.models.raw_flow import RawFlowMatching
from lawful.core.models.raw_vae import RawVAE
from lawful.core.polyhedra import Bounds, Inequalities, Polyhedron
from lawful.pipeline.compare.fitting import budget, fit_raw
from lawful.pipeline.compare.settings import AFTERWARDS, OWN, STATES
from lawful.reports.comparison.table import LEVEL, holm, paired_difference

RAW = {"vae": RawVAE, "flow-matching": RawFlowMatching}
SHOWN = ("marginals", "correlation", "faces")
Cell = dict[str, float]


def drawn(truth: Truth, family: str, strategy: str, seed: int) -> np.ndarray:
    """As many draws of a trained model as it has learned from."""
    if strategy == STATES:
        return learned(truth, family, seed).draws()
    z = torch.from_numpy(truth.draw(EVENTS, np.random.default_rng(seed)))
    space, nothing = Space.of(z), torch.zeros(EVENTS, 0)
    inside = space.polyhedron(polyhedron(truth))
    torch.manual_seed(seed)
    training = "unconstrained" if strategy in AFTERWARDS else strategy
    model = RAW[family](made_strategy(training, inside, space), space, 0, NETWORKS)
    u = model.start(inside.system.project(z / space.unit))
    fit_raw(model, u, nothing, torch.arange(EVENTS) % 8 == 0, budget(SCHEDULE.steps, SCHEDULE.batch_size))
    model.layer = made_strategy(strategy, inside, space)
    torch.manual_seed(seed + 1)
    return model.sample(nothing).numpy()


def polyhedron(truth: Truth) -> Polyhedron:
    """Laws and bounds of a truth."""
    p = truth.problem
    return Polyhedron(p.system, Bounds(p.lower, p.upper), Inequalities(p.C, p.d))


def cell(truth: Truth, family: str, strategy: str, seed: int) -> Cell:
    """Distances to the truth, and the share of draws that obey laws and bounds."""
    z = drawn(truth, family, strategy, seed)
    lawful = polyhedron(truth).contains(torch.from_numpy(z)).double().mean()
    return {**asdict(distance(truth, z)), "lawful": float(lawful)}


def kept(folder: Path, truth: Truth, family: str, strategy: str, seed: int) -> Cell:
    """The same, from the folder where it is there."""
    path = folder / f"{truth.name}.{family}.{strategy}.{seed}.json".replace(" ", "-").replace(",", "")
    if not path.exists():
        path.write_text(json.dumps(cell(truth, family, strategy, seed)))
    return json.loads(path.read_text())


def rows(truth: Truth, folder: Path) -> list[list[str]]:
    """One row a strategy, of both families."""
    found = {f: {s: [kept(folder, truth, f, s, seed) for seed in SEEDS] for s in OWN} for f in RAW}
    texts = {family: {name: marked(cells, name) for name in SHOWN} for family, cells in found.items()}
    head = [truth.name, *[""] * (len(OWN) - 1)]
    return [
        [name, f"`{s}`", *(text for f in RAW for text in (share(found[f][s]), *(texts[f][m][s] for m in SHOWN)))]
        for name, s in zip(head, OWN, strict=True)
    ]


def share(cells: list[Cell]) -> str:
    """Mean share of lawful draws."""
    return f"{100 * np.mean([one['lawful'] for one in cells]):.3g} %"


def marked(cells: dict[str, list[Cell]], measure: str) -> dict[str, str]:
    """Mean and standard deviation by strategy; the best bold, what a paired test does not tell from it with `=`."""
    values = {s: {k: one[measure] for k, one in enumerate(found)} for s, found in cells.items()}
    means = {s: float(np.mean(list(own.values()))) for s, own in values.items()}
    best = min(means, key=means.__getitem__)
    others = [s for s in values if s != best]
    adjusted = dict(zip(others, holm([paired_difference(values[s], values[best])["p"] for s in others]), strict=True))
    texts = {s: f"{means[s]:.3f} ± {np.std(list(values[s].values()), ddof=1):.3f}" for s in values}
    tied = {s: f"{texts[s]} =" for s in others if adjusted[s] is None or adjusted[s] > LEVEL}
    return texts | tied | {best: f"**{texts[best]}**"}


def main(folder: Path, count: int | None = None) -> None:
    """Train what is missing for the first `count` truths; write the table."""
    folder.mkdir(parents=True, exist_ok=True)
    told = truths()[:count]
    found = [row for truth in told for row in rows(truth, folder)]
    columns = ["lawful", "W1 / sd", "correlation", "faces"]
    head = ["truth", "strategy", *(f"{family}: {name}" for family in RAW for name in columns)]
    write_section("truths", HEAD.format(count=len(told)) + "\n" + table(head, found), "compare.md")


HEAD = f"""`python docs/study_strategies.py FOLDER {{count}}`. {EVENTS:,} exact events to learn from and as many draws,
{SCHEDULE.steps} steps of {SCHEDULE.batch_size}, networks of width {NETWORKS.joint_width}; means over {len(SEEDS)} seeds
± standard deviation. Correlation and faces (probability of a pattern of zeros) are the largest errors over pairs or
faces; W1 is the mean over variables.
"""

if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
