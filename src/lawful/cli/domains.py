"""Domains: which there are, a new one from a file, and the samples of those that come with lawful."""

import textwrap
from pathlib import Path
from typing import Annotated

import typer

from lawful.cli.app import EXIT_CODES, app
from lawful.cli.options import DomainArgument, read_block
from lawful.domains import Domain, ShapedDomain, find_any_domain, get_any_domain, list_domains

_MOST_LAWS, _WIDTH = 6, 90
Listed = tuple[str, str, str]


@app.command(short_help="List the installed domains with their laws.", epilog=EXIT_CODES)
def domains(
    domain: Annotated[str | None, typer.Argument(help="All laws of this one; a name, or a YAML file.")] = None,
) -> None:
    """List the installed domains and some laws of each, or all laws of one."""
    if domain is not None:
        found = find_any_domain(domain)
        typer.echo("\n".join([f"{found.name}: {found.title}", *map(_line, _laws(found))]))
        return
    for found in map(get_any_domain, list_domains()):
        laws = _laws(found)
        # Laws of the steps of a window read alike.
        distinct = list({law[1]: law for law in reversed(laws)}.values())[::-1]
        lines = [
            _line((name, textwrap.shorten(equation, _WIDTH, placeholder=" …"), units))
            for name, equation, units in distinct[:_MOST_LAWS]
        ]
        if len(lines) < len(laws):
            lines += [f"    … {len(laws)} laws in all: lawful domains {found.name}"]
        typer.echo("\n".join([f"{found.name}: {found.title}", *lines]))


def _laws(domain: Domain | ShapedDomain) -> list[Listed]:
    """Name, equation and units of each law."""
    if isinstance(domain, ShapedDomain):
        return [(name, equation, domain.generated[0].units) for name, equation in domain.equations.items()]
    return [(law.name, law.equation, law.units) for law in domain.laws]


def _line(law: Listed) -> str:
    name, equation, units = law
    return f"    {name:12s} {equation}   [{units}]"


@app.command(
    short_help="Start a domain of your own from a data file.",
    epilog=f"""\b
Examples:
  lawful init my-tower --data tower.nc
  lawful run my-tower.yaml --data tower.nc

{EXIT_CODES}""",
)
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the domain.")],
    data: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="NetCDF, Zarr, CSV or Parquet file to look into.")
    ],
    block: Annotated[
        str | None,
        typer.Option(
            "--block", metavar="ROWSxCOLUMNS", show_default=False,
            help="Start a domain of fields on a grid, whose means over blocks of so many cells are given.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Start a domain of your own: looks into a file and writes NAME.yaml, which loads and runs.

    Variables with their units and ranges, what is missing, and linear relations that hold in every row to rounding,
    which it proposes as laws. Read it through before you trust it.
    """
    from lawful.data_recipes.starting import start_domain
    from lawful.data_recipes.starting_fields import start_fields

    target = Path(f"{name}.yaml")
    if block is not None:
        domain, notes = start_fields(name, data, target, read_block(block))
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        typer.echo(
            f"{target}: fields of {', '.join(domain.names)} in blocks of {block}, {len(domain.laws)} laws in a cell"
        )
        typer.echo(f"try: lawful run {target} --data {data} --fast")
        return
    found, reading = start_domain(name, data, target)
    for note in reading.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{target}: {len(found.columns)} variables, {len(found.laws)} laws, {found.complete} complete events")
    typer.echo(f"try: lawful run {target} --data {data} --fast")


@app.command(short_help="Make the sample data of a domain again.", epilog=EXIT_CODES)
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
    from lawful.data_recipes import RECIPES, make

    # What makes the sample of a domain is known where the domain is not.
    name = domain if domain in RECIPES else find_any_domain(domain).name
    typer.echo(make(name, output or Path(f"{domain}.nc")))
