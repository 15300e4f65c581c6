"""Events drawn a second by each family, on one thread; the table of docs/models.md.

    python docs/benchmark_sampling.py

Models of `surface-balance` at default settings, trained for 50 steps, which is enough to time what they draw: a state,
its coordinates, and decoding to an event that obeys every law. Rates are per second of CPU time, of which two cores
have two in a second. `kernel`, which is for few events, is left out.
"""

import time
from pathlib import Path

import torch
from timing import table, write_section

from lawful.core.coordinates import Chart
from lawful.core.models import FAMILIES, Batch, Settings, sample_events
from lawful.core.models.face import FaceModel
from lawful.core.training import Schedule, fit
from lawful.pipeline import data
from lawful.pipeline.settings import RunSettings

EVENTS, ROUNDS = 32768, 3


def main() -> None:
    """Time every family and write the table."""
    torch.set_num_threads(1)
    settings = RunSettings(domain="surface-balance", out=Path())
    prepared = data.prepare(settings, 0, settings.load_domain())
    z, context = data.values(prepared.train, prepared.domain), data.context(prepared.train, prepared)
    chart, ids = Chart.fit(prepared.problem, z)
    events = Batch(ids, chart.encode(z, ids, torch.Generator().manual_seed(0)), context, z)
    rows = [[name, *_rates(_trained(name, chart, events), events)] for name in FAMILIES if name != "kernel"]
    head = ["family", "states and coordinates / s", "decoding / s", "together / s"]
    write_section("sampling-speed", table(head, rows), "models.md")


def _trained(name: str, chart: Chart, events: Batch) -> FaceModel:
    torch.manual_seed(0)
    model = FAMILIES[name](chart, events.context.shape[1], Settings())
    validation = torch.arange(len(events)) % 8 == 0
    fit(model, [events], validation, Schedule(steps=50, check_every=50), torch.Generator().manual_seed(0))
    return model


def _rates(model: FaceModel, events: Batch) -> list[str]:
    """Events a second of the model alone, of decoding alone, and of both as a run draws them; the best of rounds."""
    rows = torch.arange(EVENTS) % len(events)
    context, given = events.context[rows], torch.zeros_like(events.z[rows])
    best = [float("inf")] * 3
    for seed in range(ROUNDS):
        started = time.process_time()
        ids, w = model.sample(context, given, torch.Generator().manual_seed(seed))
        drawn = time.process_time()
        model.chart.decode(w, ids, given)
        decoded = time.process_time()
        sample_events(model, model.chart, context, given, torch.Generator().manual_seed(seed))
        took = (drawn - started, decoded - drawn, time.process_time() - decoded)
        best = [min(pair) for pair in zip(best, took, strict=True)]
    return [f"{round(EVENTS / seconds, -2):,.0f}" for seconds in best]


if __name__ == "__main__":
    main()
