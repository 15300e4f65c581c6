"""The reporting stage: judges the ensemble that is in the folder of a run, as it is stored."""

from typing import Any

import numpy as np
import xarray as xr

from lawful.domains import InputError
from lawful.domains.components import briefly
from lawful.pipeline.job import ENSEMBLE, Job
from lawful.pipeline.record import kept_word
from lawful.pipeline.settings import FOLDS, Drawing

HELD_OUT = "held-out events"


def judge(job: Job) -> dict[str, Any]:
    """Write report.html, report.json and figures; gives the report.

    Raises:
        InputError: there is no ensemble here, or not that of the record.
    """
    drawing, prepared = job.record.drawing, job.prepared
    if drawing is None:
        raise InputError(f"{job.out}: no ensemble was generated here; run `lawful generate {job.out}` first")
    # The file, not what was in memory when it was written.
    ensemble, events = job.shape.stored(job.out / ENSEMBLE, prepared), job.events(drawing)
    _require_match(ensemble, events, drawing, job)
    _require_whole(events, drawing, job)
    job.console.say(f"judging {job.out / ENSEMBLE}")
    with job.timed("reporting"):
        about = _about(job, drawing, ensemble)
        report = job.shape.report(ensemble, events, prepared, about, job.out)
    job.update()
    return report


def _about(job: Job, drawing: Drawing, ensemble: xr.Dataset) -> dict[str, Any]:
    record, prepared = job.record, job.prepared
    settings, dim = record.settings, prepared.domain.event_dim
    return {
        "command": "\n".join(record.commands),
        "given": list(prepared.given),
        "seed": drawing.seed,
        "fast": settings.fast,
        "model": prepared.family,
        "members": int(ensemble.sizes.get("realization", 1)),
        "held-out fold": f"{record.fold + 1} of {FOLDS}",
        "generated for": HELD_OUT if drawing.events is None else drawing.events.name,
        "training events": prepared.train.sizes[dim],
        "data": {"file": (settings.data.name if settings.data else prepared.domain.sample), "sha256": prepared.sha256},
        "seconds": record.seconds,
        "notes": list(prepared.notes),
    }


def _require_whole(events: xr.Dataset, drawing: Drawing, job: Job) -> None:
    absent = [name for name in job.prepared.domain.names if name not in events]
    if absent:
        domain = kept_word(job.record.settings.domain, job.out)
        raise InputError(
            f"{drawing.events}: has no {briefly(absent, job.prepared.domain.names)}, so there is nothing to judge the "
            f"ensemble by; `lawful check {job.out / ENSEMBLE} --domain {domain}` judges its laws"
        )


def _require_match(ensemble: xr.Dataset, events: xr.Dataset, drawing: Drawing, job: Job) -> None:
    dim, attrs = job.prepared.domain.event_dim, ensemble.attrs
    made_here = attrs.get("lawful_model_sha256") == job.record.training.get("weights_sha256")
    same = made_here and attrs.get("lawful_seed") == drawing.seed and ensemble.sizes.get(dim) == events.sizes[dim]
    if same and dim in ensemble.coords and dim in events.coords:
        same = bool(np.array_equal(ensemble[dim].values, events[dim].values))
    if not same:
        raise InputError(
            f"{job.out / ENSEMBLE}: not made by the model, the seed and for the events that run.yaml names; "
            f"run `lawful generate {job.out}` again (`lawful check` judges the laws of any file)"
        )
