"""What `lawful check` found, as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any

from lawful.domains.domain import Domain
from lawful.domains.shaped import ShapedDomain
from lawful.reports.templating import template


def check_page(files: Sequence[dict[str, Any]], faults: Mapping[str, str], domain: Domain | ShapedDomain) -> str:
    """The page.

    Args:
        files: what `lawful.reports.validity.validity` returned, each with its path as "file".
        faults: by path, one line on each file that could not be judged.
        domain: whose laws they were held to.
    """
    return template("check.html.j2").render(files=files, faults=faults, domain=domain)
