"""The whole way, and its stages."""

from pathlib import Path
from typing import Annotated

import typer

from lawful.cli.app import EXIT_CODES, app
from lawful.cli.options import (
    Data,
    Device,
    DomainArgument,
    Dtype,
    Fast,
    FolderArgument,
    Folds,
    Given,
    Map,
    MaxEvents,
    Members,
    Mixed,
    Model,
    Out,
    Resume,
    Seed,
    default_out,
    read_mapping,
    read_names,
    require_place,
)


@app.command(
    short_help="Train, generate and report: the whole way.",
    epilog=f"""\b
Examples:
  lawful run surface-balance
  lawful run surface-balance --given Kdown,Ldown,Rain --members 50
  lawful run surface-balance --data site.h5 --map Kdown=/rad/sw_in
  lawful run rock-oxides --folds 5 --seed 1

{EXIT_CODES}""",
)
def run(
    domain: DomainArgument,
    out: Out = None,
    data: Data = None,
    map_: Map = None,
    members: Members = 20,
    given: Given = "",
    model: Model = "auto",
    seed: Seed = 0,
    device: Device = "auto",
    mixed: Mixed = False,
    folds: Folds = 1,
    dtype: Dtype = "float64",
    max_events: MaxEvents = 1_000_000,
    resume: Resume = False,
    fast: Fast = False,
) -> None:
    """Train a generator, make a lawful ensemble, and report on it.

    Events are split by whole blocks that belong together (weeks, studies). A fifth is held out of training; the
    ensemble is made for these events, and judged against them.

    A finished training in DIR of the same data, laws and settings is used again; one that was cut off starts over,
    or goes on with --resume.

    \b
    Writes into DIR:
      ensemble.nc               the ensemble, CF NetCDF (realization, event)
      report.html, report.json  does it obey the laws, is it like the data?
      figures/*.png             the figures of the report
      model/                    the trained model
      run.yaml                  every setting, version, hash and time
      folds.json, folds/K/      means over folds, and the others (--folds)
    """
    from lawful import pipeline
    from lawful.pipeline.folds import as_text
    from lawful.pipeline.progress import Console

    settings = pipeline.RunSettings.checked(
        domain=domain, out=out or default_out(domain), data=data, mapping=read_mapping(map_), members=members,
        given=read_names(given), model=model, seed=seed, device=device, mixed=mixed, folds=folds, dtype=dtype,
        max_events=max_events, fast=fast,
    )  # fmt: skip
    outcome = pipeline.run(settings, Console(), resume=resume)
    typer.echo(outcome.report["verdict"])
    if outcome.over_folds:
        typer.echo(as_text(outcome.over_folds))
    typer.echo(f"{outcome.out / 'ensemble.nc'}\n{outcome.out / 'report.html'}")
    raise typer.Exit(0 if outcome.holds else 1)


@app.command(
    short_help="Train only.",
    epilog=f"""\b
Examples:
  lawful train surface-balance --out year
  lawful train surface-balance --out year --resume
  lawful generate year --members 100
  lawful report year

{EXIT_CODES}""",
)
def train(
    domain: DomainArgument,
    out: Out = None,
    data: Data = None,
    map_: Map = None,
    given: Given = "",
    model: Model = "auto",
    seed: Seed = 0,
    device: Device = "auto",
    mixed: Mixed = False,
    max_events: MaxEvents = 1_000_000,
    resume: Resume = False,
    fast: Fast = False,
) -> None:
    """Train only; `lawful generate` and `lawful report` go on from there.

    Writes DIR/model/ and DIR/run.yaml. A finished training of the same data, laws and settings is used again. One
    that was killed goes on with --resume and ends with the weights that it would have had.

    Several processes: torchrun --nproc-per-node 2 -m lawful train DOMAIN
    """
    from lawful import pipeline
    from lawful.core.training import is_main_process
    from lawful.pipeline.progress import Console

    settings = pipeline.RunSettings.checked(
        domain=domain, out=out or default_out(domain), data=data, mapping=read_mapping(map_), given=read_names(given),
        model=model, seed=seed, device=device, mixed=mixed, max_events=max_events, fast=fast,
    )  # fmt: skip
    folder = pipeline.stage_train(settings, Console(), resume=resume)
    if is_main_process():
        typer.echo(folder)


@app.command(
    short_help="Generate an ensemble with a trained model.",
    epilog=f"""\b
Examples:
  lawful generate lawful-surface-balance --members 100 --seed 7
  lawful generate lawful-surface-balance --data 2013.nc

{EXIT_CODES}""",
)
def generate(
    folder: FolderArgument,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FILE",
            help="Generate for the events of this file, their times and given values.  [default: held-out events]",
        ),
    ] = None,
    map_: Map = None,
    members: Annotated[
        int | None,
        typer.Option("--members", metavar="N", help="Realizations of each event.  [default: as in the run]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", metavar="S", help="Other seeds give other ensembles.  [default: as in the run]"),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype", metavar="float64|float32", help="Numbers of the stored ensemble.  [default: as in the run]"
        ),
    ] = None,
) -> None:
    """Generate an ensemble with the trained model of a run.

    Writes DIR/ensemble.nc, in place of the one that is there. The variables that were given in training are taken
    from the data here too.
    """
    from lawful import pipeline
    from lawful.pipeline.progress import Console

    changes = {"members": members, "seed": seed, "dtype": dtype, "events": data, "mapping": read_mapping(map_) or None}
    typer.echo(pipeline.stage_generate(folder, Console(), **changes))


@app.command(
    short_help="Judge the ensemble of a run, or of several.",
    epilog=f"""\b
Examples:
  lawful report year
  lawful report vae flow-matching -o families.html

{EXIT_CODES}""",
)
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of runs.")],
    page: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PAGE", help="Page with several runs side by side."),
    ] = Path("lawful-report.html"),
) -> None:
    """Judge the ensemble of a run: does it obey the laws, and is it like the data?

    Writes DIR/report.html, DIR/report.json and DIR/figures/*.png; for several runs of one domain also a page that
    shows them side by side. Of a run over folds all are judged, and DIR/folds.json is written again.
    """
    from lawful import pipeline
    from lawful.pipeline.folds import as_text
    from lawful.pipeline.progress import Console

    if len(set(folders)) > 1:
        require_place(page, "--output")
    outcomes = [pipeline.stage_report(folder, Console()) for folder in dict.fromkeys(folders)]
    for outcome in outcomes:
        if outcome.over_folds:
            typer.echo(as_text(outcome.over_folds))
        typer.echo(f"{outcome.report['verdict']}\n{outcome.out / 'report.html'}")
    if len(outcomes) > 1:
        typer.echo(pipeline.write_side_by_side(outcomes, page))
    raise typer.Exit(0 if all(outcome.holds for outcome in outcomes) else 1)
