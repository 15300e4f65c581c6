"""Any file, from any source: judge it, and repair it."""

import json
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from lawful.cli.app import EXIT_CODES, app, fail
from lawful.cli.options import Map, read_mapping, read_numbers, read_steps, require_place
from lawful.domains import InputError, find_any_domain


@app.command(
    short_help="Judge the laws and bounds in any file.",
    epilog=f"""\b
Examples:
  lawful check lawful-surface-balance/ensemble.nc --domain surface-balance
  lawful check site1.nc site2.nc --domain surface-balance --tol data
  lawful check other.h5 --domain rock-oxides --map SiO2=/oxides/silica --json
  lawful check molecules.nc --domain partial-charge --tol data

{EXIT_CODES}""",
)
def check(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="NetCDF, HDF5, Zarr, CSV or Parquet files, from any source."),
    ],
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
    without any allowance. Files of any size are read block by block; those of graphs and fields are read whole.
    """
    from lawful.pipeline.check import check as judge
    from lawful.reports.check_page import check_page
    from lawful.reports.files import write_atomically

    chosen = find_any_domain(domain)
    if html:
        require_place(html, "--html")
    checked = judge(
        files, chosen, mapping=read_mapping(map_), tolerances=tolerance or (), steps=read_steps(steps)
    )  # fmt: skip
    for judged in checked.files.values():
        _show(judged, len(files) > 1, as_json)
    if as_json:
        found = {"holds": checked.holds, "files": list(checked.files.values()), "faults": checked.faults}
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    if html:
        write_atomically(html, check_page(list(checked.files.values()), checked.faults, chosen).encode())
    for fault in checked.faults.values():
        fail(fault)
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

{EXIT_CODES}""",
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
            "the variable, or all of an array, where it is. `covariance`: variables that go together in the file move "
            "together.  "
            "[default: its standard deviation in the file]",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write OUT in place of a file that is there; never in place of FILE.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:  # fmt: skip
    """Write a copy of a file in which every law, bound and inequality holds as stored, changed as little as can be.

    Samples that are lawful stay as they are, bit for bit, and so does everything else in the file: other variables,
    attributes, compression. Values that are zero or on a bound stay there where the laws allow it. What cannot be
    repaired is named and left. Files of any size are read and written block by block; those of graphs and fields, of
    which a graph or a block of cells is a sample whose total or mean stays, are read whole.
    """
    from lawful.pipeline.repair import COVARIANCE
    from lawful.pipeline.repair import repair as mend
    from lawful.reports.repair_text import repair_table

    require_place(output, "--output")
    if output.exists() and not overwrite and not (file.exists() and output.samefile(file)):
        raise InputError(f"{output} exists; give another name to -o, or --overwrite")
    own = [pair for pair in sigmas or [] if pair != COVARIANCE]
    found = mend(
        file, find_any_domain(domain), output, mapping=read_mapping(map_), sigmas=read_numbers(own, "--sigma"),
        correlated=COVARIANCE in (sigmas or []),
    )  # fmt: skip
    for note in found["notes"]:
        typer.echo(f"note: {note}", err=True)
    width = max(get_terminal_size((120, 0)).columns, 80)
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False) if as_json else repair_table(found, width=width))
    raise typer.Exit(0 if found["validity"]["holds"] else 1)
