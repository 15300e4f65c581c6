"""The command line: `lawful run`, its stages one by one, and `lawful check`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from lawful import __version__
from lawful.domains import InputError, find_domain, get_domain, list_domains

_EXIT_CODES = """\b
Exit codes:
  0  done
  1  a law, a bound or an inequality does not hold in the file
  2  the input is at fault; one line says what and what to do"""

app = typer.Typer(
    name="lawful",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

DomainArgument = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Name of a domain (`lawful domains` lists them), or a YAML file of one.")
]
FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for all files.  [default: lawful-DOMAIN]")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FILE",
        help="NetCDF, HDF5, Zarr, CSV or Parquet to learn from; a pattern in quotes for several files.  "
        "[default: the domain's sample]",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map", metavar="VAR=PATH",
        help="A variable of the domain and its name, or HDF5 path, in the file. Once for each that differs.",
    ),
]  # fmt: skip
Members = Annotated[int, typer.Option("--members", metavar="N", help="Realizations of each event.")]
Given = Annotated[
    str,
    typer.Option(
        "--given", metavar="VAR,VAR", show_default=False,
        help="Variables fixed at the file's values; the others are generated.",
    ),
]  # fmt: skip
Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Family of generative model: autoregressive, flow-matching, vae, normalizing-flow, gan or kernel; auto is "
        "kernel below 1000 events, and autoregressive else.",
    ),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="S", help="The same seed gives the same ensemble on one machine, bit for bit.")
]
Device = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to train; auto is cuda where there is one.")
]
Folds = Annotated[
    int,
    typer.Option("--folds", metavar="K", help="How many of the 5 folds to train and judge; 5 for published figures."),
]
Dtype = Annotated[str, typer.Option("--dtype", metavar="float64|float32", help="Numbers of the stored ensemble.")]
Mixed = Annotated[
    bool, typer.Option("--mixed", help="Mixed precision: networks are trained in bfloat16; laws never are.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a training in DIR that was cut off, from its last checkpoint.")
]
Fast = Annotated[bool, typer.Option("--fast", help="A smoke run of less than a minute, marked as such in its report.")]


@app.command(
    short_help="Train, generate and report: the whole way.",
    epilog=f"""\b
Examples:
  lawful run surface-balance
  lawful run surface-balance --given Kdown,Ldown,Rain --members 50
  lawful run surface-balance --data site.h5 --map Kdown=/rad/sw_in
  lawful run rock-oxides --folds 5 --seed 1

{_EXIT_CODES}""",
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
        domain=domain, out=out or _default_out(domain), data=data, mapping=_mapping(map_), members=members,
        given=_names(given), model=model, seed=seed, device=device, mixed=mixed, folds=folds, dtype=dtype,
        fast=fast,
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

{_EXIT_CODES}""",
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
        domain=domain, out=out or _default_out(domain), data=data, mapping=_mapping(map_), given=_names(given),
        model=model, seed=seed, device=device, mixed=mixed, fast=fast,
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

{_EXIT_CODES}""",
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

    changes = {"members": members, "seed": seed, "dtype": dtype, "events": data, "mapping": _mapping(map_) or None}
    typer.echo(pipeline.stage_generate(folder, Console(), **changes))


@app.command(
    short_help="Judge the ensemble of a run, or of several.",
    epilog=f"""\b
Examples:
  lawful report year
  lawful report vae flow-matching -o families.html

{_EXIT_CODES}""",
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
    shows them side by side.
    """
    from lawful import pipeline
    from lawful.pipeline.progress import Console

    outcomes = [pipeline.stage_report(folder, Console()) for folder in dict.fromkeys(folders)]
    for outcome in outcomes:
        typer.echo(f"{outcome.report['verdict']}\n{outcome.out / 'report.html'}")
    if len(outcomes) > 1:
        typer.echo(pipeline.write_side_by_side(outcomes, page))
    raise typer.Exit(0 if all(outcome.holds for outcome in outcomes) else 1)


@app.command(
    short_help="Compare ways to hold the laws.",
    epilog=f"""\b
Examples:
  lawful compare surface-balance
  lawful compare rock-oxides --strategies conditional,mirror --models vae
  lawful compare surface-balance --resume

{_EXIT_CODES}""",
)
def compare(
    domain: DomainArgument,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for all files.  [default: compare-DOMAIN]")
    ] = None,
    strategies: Annotated[
        str,
        typer.Option(
            "--strategies", metavar="NAME,NAME", show_default=False,
            help="unconstrained, penalty, projection-after, projection, sequential, completion, conditional, mirror; "
            "repair (projection-after that keeps bounds), states (what `lawful run` does), pishield (if installed).  "
            "[default: all but pishield]",
        ),
    ] = "",
    models: Annotated[
        str,
        typer.Option(
            "--models", metavar="NAME,NAME", show_default=False,
            help="vae, flow-matching; sdv-copula (if installed), for strategies that repair afterwards.  "
            "[default: vae,flow-matching]",
        ),
    ] = "",
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="Trainings of each, in pairs.")] = 5,
    steps: Annotated[int, typer.Option("--steps", metavar="N", help="Steps of each training.")] = 1000,
    members: Members = 2,
    data: Data = None,
    map_: Map = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a comparison that was cut off.")] = False,
) -> None:  # fmt: skip
    """Train models under strategies that hold the laws in different ways, and say which does best at what.

    All have the same data, network, budget, first weights and noise. Each seed holds out another fold; differences are
    tested in pairs.

    \b
    Writes into DIR:
      compare.html, compare.json  tables, figures and what was found
      compare.md                  the tables as Markdown
      cells/                      every training, from which --resume goes on
    """
    from lawful.pipeline.compare import CompareSettings
    from lawful.pipeline.compare import compare as run_comparison
    from lawful.pipeline.progress import Console

    chosen = {"strategies": _names(strategies), "models": _names(models)}
    settings = CompareSettings.checked(
        domain=domain, out=out or Path(f"compare-{find_domain(domain).name}"), data=data, mapping=_mapping(map_),
        seeds=seeds, steps=steps, members=members, resume=resume,
        **{name: names for name, names in chosen.items() if names},
    )  # fmt: skip
    found = run_comparison(settings, Console())
    typer.echo("\n".join([*found["findings"], str(settings.out / "compare.html")]))


@app.command(
    short_help="Judge the laws and bounds in any file.",
    epilog=f"""\b
Examples:
  lawful check lawful-surface-balance/ensemble.nc --domain surface-balance
  lawful check site1.nc site2.nc --domain surface-balance --tol data
  lawful check other.h5 --domain rock-oxides --map SiO2=/oxides/silica --json

{_EXIT_CODES}""",
)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="NetCDF or HDF5 files, from any source.")],
    domain: Annotated[
        str, typer.Option("--domain", metavar="DOMAIN", help="Whose laws to hold them to: a name, or a YAML file.")
    ],
    map_: Map = None,
    tolerance: Annotated[
        list[str] | None,
        typer.Option(
            "--tol", metavar="[LAW=]TOL", show_default=False,
            help="How far a law may be off: 8ulps, 1e-6 (in its units), 1e-6rel (of the sum of its terms' sizes), or "
            "data (the tolerances that the domain declares for data). For one law, or all.  [default: 8ulps]",
        ),
    ] = None,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "--step", metavar="VAR=STEP",
            help="The last printed digit of a variable, where the file does not tell, as in SiO2=0.01.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write a page too, with everything in it.")
    ] = None,
) -> None:  # fmt: skip
    """Judge the laws, inequalities and bounds of a domain in any files, as they are stored.

    A law holds when it is off by no more than 8 ulps: 8 times what rounding every stored number once can do to it,
    be it stored in single or double precision, packed, or printed with so many digits. Bounds and inequalities hold
    without any allowance. Files of any size are read block by block.
    """
    from lawful.pipeline.check import check as judge
    from lawful.reports.check_page import check_page
    from lawful.reports.files import write_atomically

    chosen = find_domain(domain)
    checked = judge(
        files, chosen, mapping=_mapping(map_), tolerances=tolerance or (), steps=_steps(steps)
    )  # fmt: skip
    for judged in checked.files.values():
        _show(judged, len(files) > 1, as_json)
    if as_json:
        found = {"holds": checked.holds, "files": list(checked.files.values()), "faults": checked.faults}
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if html:
        write_atomically(html, check_page(list(checked.files.values()), checked.faults, chosen).encode())
    for fault in checked.faults.values():
        _fail(fault)
    raise typer.Exit(checked.exit_code)


def _show(judged: dict[str, Any], named: bool, as_json: bool) -> None:
    from lawful.reports.text import validity_table

    where = f"{judged['file']}: " if named else ""
    for note in judged["notes"]:
        typer.echo(f"note: {where}{note}", err=True)
    if not as_json:
        width = max(get_terminal_size((120, 0)).columns, 80)
        title = f"{judged['file']}\n\n" if named else ""
        typer.echo(f"{title}{validity_table(judged, width=width).rstrip()}")


@app.command(
    short_help="Move unlawful samples of a file onto the laws.",
    epilog=f"""\b
Examples:
  lawful repair made.nc --domain surface-balance -o lawful.nc
  lawful repair made.nc --domain surface-balance -o lawful.nc --sigma Kdown=0
  lawful repair gan.nc --domain surface-balance -o out.nc --sigma covariance

{_EXIT_CODES}""",
)
def repair(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="NetCDF or HDF5 file, from any source.")],
    domain: Annotated[
        str, typer.Option("--domain", metavar="DOMAIN", help="Whose laws to move it onto: a name, or a YAML file.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write.")],
    map_: Map = None,
    sigmas: Annotated[
        list[str] | None,
        typer.Option(
            "--sigma", metavar="VAR=SD|covariance", show_default=False,
            help="How readily a variable moves, in its units: a change counts by its square over SD squared. 0 holds "
            "the variable where it is. `covariance`: variables that go together in the file move together.  "
            "[default: its standard deviation in the file]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:  # fmt: skip
    """Write a copy of a file in which every law, bound and inequality holds as stored, changed as little as can be.

    Samples that are lawful stay as they are, bit for bit, and so does everything else in the file: other variables,
    attributes, compression. Values that are zero or on a bound stay there where the laws allow it. What cannot be
    repaired is named and left. Files of any size are read and written block by block.
    """
    from lawful.pipeline.repair import COVARIANCE
    from lawful.pipeline.repair import repair as mend
    from lawful.reports.repair_text import repair_table

    own = [pair for pair in sigmas or [] if pair != COVARIANCE]
    found = mend(
        file, find_domain(domain), output, mapping=_mapping(map_), sigmas=_numbers(own, "--sigma"),
        correlated=COVARIANCE in (sigmas or []),
    )  # fmt: skip
    for note in found["notes"]:
        typer.echo(f"note: {note}", err=True)
    width = max(get_terminal_size((120, 0)).columns, 80)
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else repair_table(found, width=width))
    raise typer.Exit(0 if found["validity"]["holds"] else 1)


@app.command(short_help="List the installed domains with their laws.")
def domains() -> None:
    """List the installed domains with their laws."""
    for name in list_domains():
        domain = get_domain(name)
        typer.echo(f"{name}: {domain.title}")
        for law in domain.laws:
            typer.echo(f"    {law.name:12s} {law.equation}   [{law.units}]")


@app.command(
    short_help="Start a domain of your own from a data file.",
    epilog=f"""\b
Examples:
  lawful init my-tower --data tower.nc
  lawful run my-tower.yaml --data tower.nc

{_EXIT_CODES}""",
)
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the domain.")],
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="NetCDF, Zarr, CSV or Parquet file to look into.")
    ],
) -> None:
    """Start a domain of your own: looks into a file and writes NAME.yaml, which loads and runs.

    Variables with their units and ranges, what is missing, and linear relations that hold in every row to rounding,
    which it proposes as laws. Read it through before you trust it.
    """
    from lawful.data_recipes.starting import start_domain

    target = Path(f"{name}.yaml")
    found, reading = start_domain(name, data, target)
    for note in reading.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{target}: {len(found.columns)} variables, {len(found.laws)} laws, {found.complete} complete events")
    typer.echo(f"try: lawful run {target} --data {data} --fast")


@app.command(short_help="Make the sample data of a domain again.", epilog=_EXIT_CODES)
def data(
    domain: DomainArgument,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="NetCDF file to write.  [default: DOMAIN.nc]"),
    ] = None,
) -> None:
    """Make the sample data of a domain again, from their source.

    `lawful run DOMAIN` uses a sample that comes with lawful, so this is seldom needed. It takes the packages of
    the extra `recipes`: pip install "lawful[recipes]", best in an environment of its own.
    """
    from lawful.data_recipes import make

    typer.echo(make(find_domain(domain).name, output or Path(f"{domain}.nc")))


@app.callback(
    invoke_without_command=True,
    epilog=f"""\b
Start with:
  lawful run surface-balance

{_EXIT_CODES}

`lawful COMMAND --help` says more on each.""",
)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Learn from data, and generate ensembles that obey physical laws exactly.

    A domain declares variables with units and bounds, and the linear laws between them. `run` trains a generative
    model on data of a domain, generates an ensemble in which every law holds to rounding and no bound is violated,
    and writes a report. The other commands are its stages, one by one, and `check`, which judges any file.
    """
    if version:
        typer.echo(f"lawful {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _default_out(domain: str) -> Path:
    return Path(f"lawful-{find_domain(domain).name}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _mapping(pairs: list[str] | None) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs or []]
    for name, equals, path in split:
        if not (name and equals and path):
            raise InputError(f"--map {name}{equals}{path}: expected VAR=PATH, as in --map Kdown=/radiation/sw_in")
    return {name: path for name, _, path in split}


def _steps(pairs: list[str] | None) -> dict[str, float]:
    steps = _numbers(pairs, "--step")
    for name, step in steps.items():
        if not 0 < step < float("inf"):
            raise InputError(f"--step {name}={step:g}: expected a number of more than zero")
    return steps


def _numbers(pairs: list[str] | None, option: str) -> dict[str, float]:
    numbers = {}
    for pair in pairs or []:
        name, _, text = pair.partition("=")
        try:
            numbers[name] = float(text)
        except ValueError:
            raise InputError(f"{option} {pair}: expected VAR=NUMBER, as in {option} Rain=0.1") from None
    return numbers


# The base of what Typer raises for a wrong command line; it moved from one module to another between releases.
_UsageError: Any = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what is wrong with the input is one line on standard error and exit code 2."""
    try:
        code = app(arguments, prog_name="lawful", standalone_mode=False)
    except _UsageError as error:
        code = _fail(f"{error.format_message()} (see `{error.ctx.command_path if error.ctx else 'lawful'} --help`)")
    except OSError as error:
        code = _fail(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except ValueError as error:
        if not _is_for_users(error):
            raise
        code = _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        _fail("interrupted")
    sys.exit(code)


def _is_for_users(error: ValueError) -> bool:
    # Here, because torch is slow to import and `lawful --help` does not need it.
    from lawful.core.errors import LawfulError

    return isinstance(error, InputError | LawfulError)


def _fail(message: str) -> int:
    typer.echo(f"lawful: {' '.join(message.split())}", err=True)
    return 2
