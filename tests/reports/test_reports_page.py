import json
import re

import numpy as np
import pytest
from reports_data import as_array, as_ensemble

from lawful.domains import Domain
from lawful.reports.figures import draw_all
from lawful.reports.files import write_atomically
from lawful.reports.page import build_report

RUN = {
    "model": "flow",
    "seed": 0,
    "fast": True,
    "given": [],
    "settings": {"steps": 200, "widths": [64, 64]},
    "hashes": {"data_sha256": "0" * 64},
    "command": "lawful run tiny --fast --seed 0",
    "notes": ["<script>alert('x')</script> & more"],
}


@pytest.fixture(scope="module")
def report(tiny: Domain, tiny_data, tmp_path_factory):
    train, test, ensemble = tiny_data
    folder = tmp_path_factory.mktemp("report")
    return folder, build_report(ensemble, train, test, tiny, RUN, folder)


def test_files_are_there_and_say_the_same(report):
    folder, found = report
    assert json.loads((folder / "report.json").read_text()) == found
    names = sorted(path.name for path in (folder / "figures").iterdir())
    assert names == sorted(entry["file"].removeprefix("figures/") for entry in found["figures"])
    assert not list(folder.rglob(".*"))


def test_page_is_one_file_that_loads_nothing(report):
    page = (report[0] / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "url(" not in page and "@import" not in page
    images = re.findall(r"<img [^>]*>", page)
    assert len(images) == len(report[1]["figures"])
    assert all(re.search(r'alt="[^"]{20,}"', image) for image in images)


def test_page_says_what_matters(report):
    folder, found = report
    page = (folder / "report.html").read_text()
    assert found["verdict"].replace("'", "&#39;") in page
    assert "The law holds in each of" in found["verdict"]
    assert "Smoke run" in page
    assert "do not accumulate" in page
    assert "lawful run tiny --fast --seed 0" in page
    assert "settings, widths" in page and "64, 64" in page
    assert "a + b = c" in page and "Euclid" in page


def test_page_escapes_what_users_write(report):
    page = (report[0] / "report.html").read_text()
    assert page.count("<script") == 1 and "&lt;script&gt;" in page


def test_broken_ensembles_are_called_broken(tiny: Domain, tiny_data, tmp_path):
    train, test, ensemble = tiny_data
    values = np.stack([as_array(ensemble.isel(realization=k), tiny) for k in range(4)])
    values[0, 0, 0] = -5.0
    values[1, 2, 1] = np.nan
    found = build_report(as_ensemble(values, test, tiny), train, test, tiny, {}, tmp_path)
    for words in ("does not hold", "sum is off", "a is below 0 in 1 sample", "1 value is not finite"):
        assert words in found["verdict"]
    page = (tmp_path / "report.html").read_text()
    assert "✗ broken" in page and "Smoke run" not in page


def test_nothing_to_compare_still_makes_a_page(tiny: Domain, tiny_data, tmp_path):
    train, test, ensemble = tiny_data
    found = build_report(ensemble * np.nan, train, test, tiny, RUN, tmp_path)
    assert found["fidelity"] is None
    assert "Not compared: fewer than two events" in (tmp_path / "report.html").read_text()


def test_given_variables_bring_scores_and_their_figures(tiny: Domain, tiny_data, tmp_path):
    train, test, ensemble = tiny_data
    found = build_report(
        ensemble.assign(c=test["c"] + 0 * ensemble["c"]), train, test, tiny, RUN | {"given": ["c"]}, tmp_path
    )
    drawn = {entry["file"] for entry in found["figures"]}
    assert {"figures/ranks.png", "figures/crps.png", "figures/reliability.png"} <= drawn
    assert "Given what is known" in (tmp_path / "report.html").read_text()


def test_figures_are_pictures_and_the_same_each_time(tiny: Domain, tiny_data):
    train, test, ensemble = tiny_data
    first, second = (draw_all(ensemble, train, test, tiny) for _ in range(2))
    assert [plate.name for plate in first] == [
        "residuals",
        "marginals",
        "ratios",
        "quantiles",
        "correlations",
        "diurnal",
    ]
    for plate, again in zip(first, second, strict=True):
        assert plate.png.startswith(b"\x89PNG") and plate.png == again.png
        assert b"<svg" in plate.svg[:400] and plate.svg == again.svg
        assert plate.caption.endswith(".") and plate.alt.endswith(".")


@pytest.mark.parametrize("fault", ["constant", "zero", "nan"])
def test_figures_of_degenerate_values(tiny: Domain, tiny_data, fault):
    train, test, ensemble = tiny_data
    filling = {"constant": 3.0, "zero": 0.0, "nan": np.nan}[fault]
    flat = ensemble.map(lambda array: array * 0 + filling)
    assert len(draw_all(flat, train, test, tiny)) == 6


def test_nothing_is_written_when_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write_atomically(path, b"old")

    def fail(*_args):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
