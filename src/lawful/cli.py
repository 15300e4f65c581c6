"""The command line: `lawful run`, its stages one by one, and `lawful check`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from lawful import __version__
from lawful.core.errors import LawfulError
from lawful.domains import InputError, get_domain, list_domains

app = typer.Typer(
    name="lawful",
    help="Generative ensembles that obey physical laws exactly.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", help="Name of a domain; `lawful domains` lists them.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for all files. [default: lawful-DOMAIN]")
]
Data = Annotated[
    Path | None, typer.Option("--data", metavar="FILE", help="NetCDF or HDF5 file. [default: the domain's sample]")
]
Map = Annotated[
    list[str] | None, typer.Option("--map", metavar="VAR=PATH", help="Name or HDF5 path of a variable in the file.")
]
Members = Annotated[int, typer.Option("--members", metavar="N", help="Realizations of each event.")]
Given = Annotated[
    str, typer.Option("--given", metavar="VAR,VAR", help="Variables fixed at the file's values; the rest is generated.")
]
Model = Annotated[str, typer.Option("--model", metavar="NAME", help="Kind of generative model.")]
Seed = Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same ensemble, bit for bit.")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to train.")]
Folds = Annotated[int, typer.Option("--folds", metavar="K", help="How many of the 5 folds to train and judge.")]
Dtype = Annotated[str, typer.Option("--dtype", metavar="float64|float32", help="Precision of the stored ensemble.")]
Fast = Annotated[bool, typer.Option("--fast", help="A smoke run in a minute; marked as such in the report.")]


@app.command()
def run(
    domain: DomainArgument,
    out: Out = None,
    data: Data = None,
    map_: Map = None,
    members: Members = 20,
    given: Given = "",
    model: Model = "autoregressive",
    seed: Seed = 0,
    device: Device = "auto",
    folds: Folds = 1,
    dtype: Dtype = "float64",
    fast: Fast = False,
) -> None:
    """Train a generator, make a lawful ensemble, and report on it.

    A finished training of the same data, laws and settings in DIR is used again. Events are split by whole blocks
    (weeks, studies); the ensemble is made for the fold that was held out, and judged against it.

    Writes DIR/ensemble.nc, report.html, report.json, figures/*.png, model/ and run.yaml.
    """
    from lawful import pipeline
    from lawful.pipeline.folds import as_text
    from lawful.pipeline.progress import Console

    settings = pipeline.RunSettings.checked(
        domain=domain, out=out or Path(f"lawful-{domain}"), data=data, mapping=_mapping(map_), members=members,
        given=_names(given), model=model, seed=seed, device=device, folds=folds, dtype=dtype, fast=fast,
    )  # fmt: skip
    outcome = pipeline.run(settings, Console())
    typer.echo(outcome.report["verdict"])
    if folds > 1:
        typer.echo(as_text(json.loads((outcome.out / "folds.json").read_text())))
    typer.echo(f"{outcome.out / 'ensemble.nc'}\n{outcome.out / 'report.html'}")
    raise typer.Exit(0 if outcome.holds else 1)


@app.command()
def train(
    domain: DomainArgument,
    out: Out = None,
    data: Data = None,
    map_: Map = None,
    given: Given = "",
    model: Model = "autoregressive",
    seed: Seed = 0,
    device: Device = "auto",
    fast: Fast = False,
) -> None:
    """Train only. Writes DIR/model/ and DIR/run.yaml; `lawful generate DIR` goes on from there."""
    from lawful import pipeline
    from lawful.pipeline.progress import Console

    settings = pipeline.RunSettings.checked(
        domain=domain, out=out or Path(f"lawful-{domain}"), data=data, mapping=_mapping(map_), given=_names(given),
        model=model, seed=seed, device=device, fast=fast,
    )  # fmt: skip
    typer.echo(pipeline.stage_train(settings, Console()))


@app.command()
def generate(
    folder: FolderArgument,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FILE", help="Generate for the events of this file instead.")
    ] = None,
    members: Members = 20,
    seed: Seed = 0,
    dtype: Dtype = "float64",
) -> None:
    """Generate an ensemble with the trained model of a run. Writes DIR/ensemble.nc.

    Events (their times, and the values of given variables) are those held out of training, or those of FILE.
    """
    from lawful import pipeline
    from lawful.pipeline.progress import Console

    changes = {"members": members, "seed": seed, "dtype": dtype, "data": data}
    typer.echo(pipeline.stage_generate(folder, Console(), **changes))


@app.command()
def report(folder: FolderArgument) -> None:
    """Judge the ensemble of a run: physics validity, and fidelity to the held-out data. Writes DIR/report.html."""
    from lawful import pipeline
    from lawful.pipeline.progress import Console

    outcome = pipeline.stage_report(folder, Console())
    typer.echo(f"{outcome.report['verdict']}\n{outcome.out / 'report.html'}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any NetCDF or HDF5 file, from any source.")],
    domain: Annotated[str, typer.Option("--domain", metavar="DOMAIN", help="Whose laws to hold it to.")],
    map_: Map = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Judge a file: every law in units and in rounding units (ulps) of the stored numbers, bounds and inequalities.

    Exit code 0 when all hold to 8 ulps, 1 when some do not, 2 when the file cannot be judged.
    """
    from lawful.data_recipes import read_ensemble
    from lawful.reports.arrays import plain
    from lawful.reports.text import validity_table
    from lawful.reports.validity import validity

    chosen = get_domain(domain)
    reading = read_ensemble(file, chosen, _mapping(map_) or None)
    judged = validity(reading.dataset, chosen)
    for note in reading.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(json.dumps(plain(judged), indent=1, ensure_ascii=False) if as_json else validity_table(judged))
    raise typer.Exit(0 if judged["holds"] else 1)


@app.command()
def domains() -> None:
    """List the installed domains with their laws."""
    for name in list_domains():
        domain = get_domain(name)
        typer.echo(f"{name}: {domain.title}")
        for law in domain.laws:
            typer.echo(f"    {law.name:12s} {law.equation}   [{law.units}]")


@app.command()
def data(
    domain: DomainArgument,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="[default: DOMAIN.nc]")] = None,
) -> None:
    """Make the sample data of a domain again, from their source (needs the `recipes` extra)."""
    from lawful.data_recipes import make

    typer.echo(make(get_domain(domain).name, output or Path(f"{domain}.nc")))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    if version:
        typer.echo(f"lawful {__version__}")
        raise typer.Exit()


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs or []]
    for name, equals, path in split:
        if not (name and equals and path):
            raise InputError(f"--map {name}{equals}{path}: expected VAR=PATH")
    return {name: path for name, _, path in split}


def main() -> None:
    """Run the command line; what is wrong with the input is one line on standard error and exit code 2."""
    try:
        app()
    except (InputError, LawfulError) as error:
        typer.echo(f"lawful: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("lawful: interrupted", err=True)
        sys.exit(130)
