"""The page in a real browser: it opens without an error, sorts a table, and needs nothing from elsewhere."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from reports_data import as_ensemble, tiny_values

from lawful.domains import Domain
from lawful.reports.page import build_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt-get install chromium")

PROBE = """<script>
const table = document.querySelectorAll("table.sortable")[NUMBER];
const heading = [...table.querySelectorAll("th")].find((th) => th.textContent.trim() === "HEADING");
const column = Number(heading.dataset.column ?? heading.cellIndex);
const read = () => [...table.tBodies[0].rows].map((row) => row.cells[column].textContent.trim());
const found = [read()];
heading.click(); found.push(read());
heading.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", cancelable: true })); found.push(read());
addEventListener("load", () => {
  const broken = [...document.images].filter((image) => !image.naturalWidth).length;
  const probe = document.createElement("pre");
  probe.id = "probe";
  probe.textContent = JSON.stringify({ found, broken, sorted: heading.getAttribute("aria-sort"),
    wide: document.documentElement.scrollWidth - innerWidth });
  document.body.append(probe);
});
</script>"""


@pytest.fixture(scope="module")
def page(tiny: Domain, tiny_data, tmp_path_factory):
    train, test, _ = tiny_data
    made = np.stack([tiny_values(test.sizes["time"], np.random.default_rng(k)) for k in range(3)])
    folder = tmp_path_factory.mktemp("browser")
    build_report(as_ensemble(made, test, tiny), train, test, tiny, {"fast": True}, folder)
    return folder / "report.html"


def opened(page, number: int, heading: str, *flags: str) -> tuple[dict, str]:
    """What the probe saw, and what the browser wrote on its console."""
    probed = page.with_name("probed.html")
    probe = PROBE.replace("NUMBER", str(number)).replace("HEADING", heading)
    probed.write_text(page.read_text().replace("</body>", f"{probe}</body>"))
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", *flags]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    done = subprocess.run(
        [*command, profile, "--virtual-time-budget=5000", "--dump-dom", probed.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    said = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(html.unescape(said[1])), "\n".join(console)


def test_it_sorts_numbers_both_ways_without_a_word_on_the_console(page):
    seen, console = opened(page, 0, "violations, ensemble")
    assert console == "" and seen["broken"] == 0
    seen, console = opened(page, 2, "floor")
    before, ascending, descending = ([float(text) for text in column if text != "–"] for column in seen["found"])
    assert ascending == sorted(before) and descending == sorted(before, reverse=True) and before != ascending
    assert seen["sorted"] == "descending" and console == ""


def test_it_sorts_words(page):
    seen, _ = opened(page, 2, "Measure")
    assert seen["found"][1] == sorted(seen["found"][0], key=str.lower)


def test_it_fits_a_phone(page):
    seen, _ = opened(page, 2, "Measure", "--window-size=500,900")
    assert seen["wide"] <= 0
