"""The command line: `lawful run`, its stages one by one, and the commands for any file."""

import sys
from collections.abc import Sequence
from typing import Any

import typer

from lawful.cli import runs, compare, files, domains  # isort: skip  # in the order of `lawful --help`
from lawful.cli.app import app, fail
from lawful.domains import InputError

__all__ = ["compare", "domains", "files", "main", "runs"]

# The base of what Typer raises for a wrong command line; it moved from one module to another between releases.
_UsageError: Any = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what is wrong with the input is one line on standard error and exit code 2."""
    try:
        code = app(arguments, prog_name="lawful", standalone_mode=False)
    except _UsageError as error:
        code = fail(f"{error.format_message()} (see `{error.ctx.command_path if error.ctx else 'lawful'} --help`)")
    except OSError as error:
        code = fail(f"{f'{error.filename}: ' if error.filename else ''}{error.strerror or error}")
    except ValueError as error:
        if not _is_for_users(error):
            raise
        code = fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        fail("interrupted")
    sys.exit(code)


def _is_for_users(error: ValueError) -> bool:
    # Here, because torch is slow to import and `lawful --help` does not need it.
    from lawful.core.errors import LawfulError

    return isinstance(error, InputError | LawfulError)
