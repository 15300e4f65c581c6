"""The contract of a domain, in one line of a package's tests: `check_domain(DOMAIN)`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from lawful.data_recipes import read, sample_path
from lawful.domains import Domain, InputError
from lawful.domains.components import split
from lawful.domains.testing import check_declaration
from lawful.pipeline.data import prepare
from lawful.pipeline.generate import generate
from lawful.pipeline.progress import Console
from lawful.pipeline.settings import RunSettings
from lawful.pipeline.train import train_or_reuse
from lawful.reports.validity import validity

__all__ = ["check_declaration", "check_domain"]


def check_domain(domain: Domain, data: str | Path | None = None, *, members: int = 2) -> None:
    """Check a domain and a short run of it on `data`, by default its sample.

    Everything that `lawful.domains.testing.check_declaration` looks at, on all complete events; then a training of a
    few seconds and a small ensemble, in which every law, bound and inequality must hold.

    Raises:
        InputError: one line on the first thing that is wrong.
    """
    path = Path(data) if data is not None else sample_path(domain)
    reading = read(path, domain)
    check_declaration(reading.domain, reading.dataset)
    _check_run(domain, path, members)


def _check_run(domain: Domain, path: Path, members: int) -> None:
    settings = RunSettings(domain=domain.name, out=Path("unused"), data=path, fast=True, members=members)
    prepared = prepare(settings, 0, domain)
    with TemporaryDirectory() as folder:
        model, _ = train_or_reuse(settings, prepared, 0, Path(folder), Console())
    ensemble = generate(settings.drawing, prepared, prepared.test, model, Console())
    judged = validity(split(ensemble, prepared.domain, ("realization",)), prepared.domain)
    if not judged["holds"]:
        broken = [entry["name"] for entry in (*judged["laws"], *judged["inequalities"]) if not entry["holds"]]
        broken += [entry["variable"] for entry in judged["bounds"] if not entry["holds"]]
        raise InputError(f"domain {domain.name!r}: the ensemble of a short run breaks {', '.join(broken)}")
