"""What `lawful check` found, as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from lawful.domains.domain import Domain
from lawful.reports.text import findings, number, place
from lawful.reports.verdict import physics


def check_page(files: Sequence[dict[str, Any]], faults: Mapping[str, str], domain: Domain) -> str:
    """The page.

    Args:
        files: what `lawful.reports.validity.validity` returned, each with its path as "file".
        faults: by path, one line on each file that could not be judged.
        domain: whose laws they were held to.
    """
    loader = jinja2.PackageLoader("lawful.reports", "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
                                     lstrip_blocks=True)  # fmt: skip
    environment.filters |= {"number": number, "place": place, "physics": physics, "findings": findings}
    return environment.get_template("check.html.j2").render(files=files, faults=faults, domain=domain)
