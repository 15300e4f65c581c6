"""Pages: templates with one style, one script and one set of filters; every page is one file that loads nothing."""

from typing import Any

import jinja2

from lawful.reports.text import findings, number, place
from lawful.reports.verdict import physics


def template(name: str) -> jinja2.Template:
    """The template of that name; what is put into it is escaped, and what it asks for must be there."""
    loader = jinja2.PackageLoader("lawful.reports", "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": number,
        "place": place,
        "physics": physics,
        "findings": findings,
        "percent": percent,
        "entries": entries,
    }
    return environment.get_template(name)


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, a dash for what there is not."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def entries(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested dict as rows: ("training, steps", "20000")."""
    rows: list[tuple[str, str]] = []
    for key, item in value.items():
        name = f"{prefix}, {key}" if prefix else key
        rows += entries(item, name) if isinstance(item, dict) else [(name.replace("_", " "), _shown(item))]
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None or value == "" else str(value)
