"""What several commands take, and how it is read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lawful.domains import InputError, find_any_domain

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
        "kernel where each pattern of zeros has few events, autoregressive else.",
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
MaxEvents = Annotated[
    int,
    typer.Option(
        "--max-events", metavar="N", min=1,
        help="Of more events than this, so many are read, in stretches spread over the data.",
    ),
]  # fmt: skip
Dtype = Annotated[str, typer.Option("--dtype", metavar="float64|float32", help="Numbers of the stored ensemble.")]
Mixed = Annotated[
    bool, typer.Option("--mixed", help="Mixed precision: networks are trained in bfloat16; laws never are.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with a training in DIR that was cut off, from its last checkpoint.")
]
Fast = Annotated[bool, typer.Option("--fast", help="A smoke run of less than a minute, marked as such in its report.")]


def default_out(domain: str) -> Path:
    return Path(f"lawful-{find_any_domain(domain).name}")


def require_place(path: Path, option: str) -> None:
    """Raise InputError where no file can be written under a path, before the work that it is to hold."""
    if path.is_dir():
        raise InputError(f"{option} {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"{option} {path}: there is no folder {path.parent}; make it, or give another")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"{option} {path}: folder {path.parent} cannot be written in; give another")


def read_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def read_mapping(pairs: list[str] | None) -> dict[str, str]:
    split = [pair.partition("=") for pair in pairs or []]
    for name, equals, path in split:
        if not (name and equals and path):
            raise InputError(f"--map {name}{equals}{path}: expected VAR=PATH, as in --map Kdown=/radiation/sw_in")
    return {name: path for name, _, path in split}


def read_block(text: str) -> tuple[int, int]:
    """Rows and columns of `4x6`."""
    rows, _, columns = text.partition("x")
    if not (rows.isdecimal() and columns.isdecimal() and int(rows) and int(columns)):
        raise InputError(f"--block {text}: expected rows and columns of a block, such as 4x6")
    return int(rows), int(columns)


def read_steps(pairs: list[str] | None) -> dict[str, float]:
    steps = read_numbers(pairs, "--step")
    for name, step in steps.items():
        if not 0 < step < float("inf"):
            raise InputError(f"--step {name}={step:g}: expected a number of more than zero")
    return steps


def read_numbers(pairs: list[str] | None, option: str) -> dict[str, float]:
    numbers = {}
    for pair in pairs or []:
        name, _, text = pair.partition("=")
        try:
            numbers[name] = float(text)
        except ValueError:
            raise InputError(f"{option} {pair}: expected VAR=NUMBER, as in {option} Rain=0.1") from None
    return numbers
