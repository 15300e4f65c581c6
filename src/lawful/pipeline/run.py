"""The stages of a run, and all of them one after another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lawful.core.training import process_count
from lawful.data_recipes import ensure_writable
from lawful.domains import InputError
from lawful.pipeline.folds import over_folds, save_over_folds
from lawful.pipeline.job import ENSEMBLE, MODEL, new_job, old_job
from lawful.pipeline.judge import judge
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import Drawing, RunSettings
from lawful.reports.files import write_atomically
from lawful.reports.side_by_side import side_by_side


@dataclass(frozen=True)
class Outcome:
    """Where the files of a run are, what its report says, and the means over folds where there are several."""

    out: Path
    report: dict[str, Any]
    over_folds: dict[str, Any] | None = None

    @property
    def holds(self) -> bool:
        """Whether every law, bound and inequality holds in the stored file, of every fold."""
        return bool(self.report["validity"]["ensemble"]["holds"] and (self.over_folds or {}).get("all_hold", True))


def run(settings: RunSettings, console: Console, *, resume: bool = False) -> Outcome:
    """Train, generate and report; with several folds, each of them, and their means.

    With `resume` a training that was cut off goes on from its checkpoint.
    """
    if process_count() > 1:
        raise InputError("run: only `lawful train` takes several processes; `lawful run` then uses what it trained")
    reports = [_run_fold(settings, fold, console, resume) for fold in range(settings.folds)]
    return _outcome(settings.out, settings, reports)


def _run_fold(settings: RunSettings, fold: int, console: Console, resume: bool) -> dict[str, Any]:
    job = new_job(settings, fold, _folder(settings.out, fold), "run", console)
    job.draw(job.train(resume=resume), settings.drawing)
    return judge(job)


def stage_train(settings: RunSettings, console: Console, *, resume: bool = False) -> Path:
    """Train only; leaves the model and run.yaml. With `resume` a training that was cut off goes on."""
    new_job(settings, 0, settings.out, "train", console).train(resume=resume)
    return settings.out / MODEL


def stage_generate(out: Path, console: Console, **changes: Any) -> Path:
    """Generate from the trained model of a run, for its held-out events or for those of another file (`events`).

    `changes` are fields of `Drawing`; None leaves them as they were in the run.
    """
    ensure_writable(out)
    job = old_job(out, console)
    wanted = {name: value for name, value in changes.items() if value is not None}
    drawing = Drawing.checked(**{**job.record.settings.drawing.model_dump(), **wanted})
    if drawing.mapping and drawing.events is None:
        raise InputError("--map: it names variables of the file that --data gives, and there is none")
    job.record_command(drawing.command(out))
    return job.draw(job.model(), drawing)


def stage_report(out: Path, console: Console) -> Outcome:
    """Judge the ensemble that is in the folder of a run, and those of its other folds where all of them are there."""
    ensure_writable(out)
    job = old_job(out, console)
    settings, reports = job.record.settings, [judge(job)]
    others = [] if job.record.fold else [_folder(out, fold) for fold in range(1, settings.folds)]
    if all((other / ENSEMBLE).exists() for other in others):
        reports += [judge(old_job(other, console)) for other in others]
    return _outcome(out, settings, reports)


def _folder(out: Path, fold: int) -> Path:
    return out / "folds" / str(fold) if fold else out


def _outcome(out: Path, settings: RunSettings, reports: list[dict[str, Any]]) -> Outcome:
    """With the means written beside the first fold's report, where there are several."""
    if len(reports) == 1:
        return Outcome(out, reports[0])
    means = {"command": settings.command(), **over_folds(reports)}
    save_over_folds(out, means)
    return Outcome(out, reports[0], means)


def write_side_by_side(outcomes: list[Outcome], page: Path) -> Path:
    """Write a page that shows several judged runs of one domain; gives its path."""
    ensure_writable(page.parent)
    write_atomically(page, side_by_side({str(outcome.out): outcome.report for outcome in outcomes}).encode())
    return page
