"""run.yaml: every setting, version, hash and time of a run."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from lawful.domains import InputError
from lawful.pipeline.settings import RunSettings

_PACKAGES = ("lawful", "torch", "numpy", "scipy", "xarray", "netCDF4", "h5py", "scikit-learn")
RECORD = "run.yaml"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def write_record(out: Path, settings: RunSettings, facts: dict[str, Any]) -> None:
    """Write run.yaml under a temporary name and move it."""
    record = {
        "command": settings.command(),
        "settings": settings.model_dump(mode="json"),
        "versions": versions(),
        **facts,
    }
    temporary = out / f".{RECORD}.{os.getpid()}.part"
    temporary.write_text(yaml.safe_dump(record, sort_keys=False, allow_unicode=True))
    temporary.replace(out / RECORD)


def read_record(out: Path) -> tuple[RunSettings, dict[str, Any]]:
    """Settings and facts of the run in a folder; InputError when it holds none."""
    path = out / RECORD
    try:
        record = yaml.safe_load(path.read_text())
        settings = record["settings"]
    except FileNotFoundError as error:
        raise InputError(f"{out}: no {RECORD} here; give the folder of a run (`lawful train` makes one)") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a record of a run ({type(error).__name__})") from error
    return RunSettings.checked(**{**settings, "out": out}), record
