"""run.yaml: every setting, version, hash and time of a run."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from lawful.domains import Domain, InputError, ShapedDomain, get_any_domain, is_domain_file, load_any_domain
from lawful.pipeline.settings import FOLDS, Checked, Drawing, RunSettings, first_fault
from lawful.reports.files import write_atomically

_PACKAGES = ("lawful", "torch", "lightning-fabric", "numpy", "scipy", "xarray", "netCDF4", "h5py", "scikit-learn")
RECORD, DOMAIN = "run.yaml", "domain.yaml"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


class Record(Checked):
    """What was done in the folder of a run so far; paths in it are absolute.

    `drawing` is None until an ensemble is drawn; `training` is the description of the model, empty until it is trained.
    """

    commands: tuple[str, ...]
    settings: RunSettings
    fold: int = Field(default=0, ge=0, lt=FOLDS)
    data_sha256: str
    law_hash: str
    drawing: Drawing | None = None
    training: dict[str, Any] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=versions)

    def write(self, out: Path) -> None:
        """Write run.yaml, whole or not at all."""
        settings = self.settings
        paths = {"domain": _file(settings.domain), "data": _absolute(settings.data), "out": out.absolute()}
        settings = settings.model_copy(update=paths)
        drawing = self.drawing and self.drawing.model_copy(update={"events": _absolute(self.drawing.events)})
        content = self.model_copy(update={"settings": settings, "drawing": drawing}).model_dump(mode="json")
        write_atomically(out / RECORD, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())


def keep_domain(word: str, out: Path) -> None:
    """A copy of a domain that is a file, so that the folder of a run has what its stages need."""
    if is_domain_file(word):
        write_atomically(out / DOMAIN, Path(word).read_bytes())


def kept_domain(word: str, out: Path) -> Domain | ShapedDomain:
    """The domain of a run: from the copy in its folder when it is a file; InputError when that is gone or no domain."""
    return load_any_domain(out / DOMAIN, Path(word).parent) if is_domain_file(word) else get_any_domain(word)


def kept_word(word: str, out: Path) -> str:
    """What a command in a shell calls the domain of a run."""
    return str(out / DOMAIN) if is_domain_file(word) else word


def _file(word: str) -> str:
    return str(Path(word).absolute()) if is_domain_file(word) else word


def _absolute(path: Path | None) -> Path | None:
    return path and path.absolute()


def read_record(out: Path) -> Record:
    """What was done in a folder; InputError when it is not that of a run, or its run.yaml is damaged."""
    path = out / RECORD
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        record = Record.model_validate(content)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{out}: no {RECORD} here; give the folder of a run (`lawful train` makes one)") from error
    except ValidationError as error:
        raise InputError(f"{path}: not a record of a run ({first_fault(error)}); run it again") from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not a record of a run ({_reason(error)}); run it again") from error
    record.settings.require_names(kept_domain(record.settings.domain, out))
    return record.model_copy(update={"settings": record.settings.model_copy(update={"out": out})})


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or getattr(error, "problem", "") or type(error).__name__)
