"""The application that commands are added to, and what `lawful` alone says."""

from typing import Annotated

import typer

from lawful import __version__

EXIT_CODES = """\b
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


@app.callback(
    invoke_without_command=True,
    epilog=f"""\b
Start with:
  lawful run surface-balance

{EXIT_CODES}

`lawful COMMAND --help` says more on each.""",
)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Learn from data, and generate ensembles that obey physical laws exactly.

    A domain declares variables with units and bounds, and the linear laws between them. `run` trains a generative
    model on data of a domain, generates an ensemble in which every law holds to rounding and no bound is violated,
    and writes a report; `train`, `generate` and `report` are its stages, one by one. `check` and `repair` take files
    from any source.
    """
    if version:
        typer.echo(f"lawful {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def fail(message: str) -> int:
    """Say in one line on standard error what is wrong with the input; the exit code for it."""
    typer.echo(f"lawful: {' '.join(message.split())}", err=True)
    return 2
