"""What the documents say: their Python runs, their links lead somewhere, their laws are the domains' laws."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from lawful.domains import get_domain

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/method.md",
    "docs/benchmarks.md",
    "docs/check-and-repair.md",
    "docs/compare.md",
    "docs/domains.md",
    "docs/metabolic-flux.md",
    "docs/models.md",
    "docs/rock-composition.md",
    "docs/soil-water.md",
)
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_ANCHOR = re.compile(r"\]\(([^)#:]*)#([^)]+)\)")
_FILE = re.compile(r"`((?:core|domains|data_recipes|reports|docs|src|tests)/[\w./-]+)`")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/models.md"])
def test_python_runs(name: str, tmp_path: Path) -> None:
    blocks = _BLOCK.findall((ROOT / name).read_text())
    assert blocks
    script = tmp_path / "blocks.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    linked = [(ROOT / name).parent / target for target in _LINK.findall(text)]
    missing = [str(path) for path in (*linked, *(ROOT / named for named in _FILE.findall(text))) if not path.exists()]
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_headings(name: str) -> None:
    for target, heading in _ANCHOR.findall((ROOT / name).read_text()):
        page = (ROOT / name).parent / target if target else ROOT / name
        titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], heading


@pytest.mark.parametrize("name", [*DOCUMENTS, "data_recipes/samples/README.md"])
def test_names_no_place_on_a_machine(name: str) -> None:
    assert not re.search(r"(?<![\w.])/(tmp|home|root|work|opt|usr)/|file://", (ROOT / name).read_text())


def test_readme_starts_with_the_commands_of_a_new_user() -> None:
    text = (ROOT / "README.md").read_text()
    assert "    pip install -c constraints.txt -e . && lawful run surface-balance\n" in text
    assert '    pip install -c constraints.txt -e ".[test]" && pytest\n' in text
    assert text.index("![") < text.index("pip install")


def test_readme_has_the_laws() -> None:
    text = (ROOT / "README.md").read_text()
    for law in get_domain("surface-balance").laws:
        assert re.search(rf"\| {law.name} \| `{re.escape(law.equation)}` \| {re.escape(law.units)} \|", text)
    (total,) = get_domain("rock-oxides").laws
    assert total.equation.startswith("SiO2 + TiO2 + ") and total.equation.endswith(" + Cl = 100")
    assert f"`SiO2 + TiO2 + … + Cl = 100`, {len(get_domain('rock-oxides').names)} parts" in text


def test_checks_in_contributing_are_those_of_ci() -> None:
    text, script = (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / ".ci/run").read_text()
    for command in ("pytest", "ruff check .", "ruff format --check .", "mypy -p lawful", "lint-imports"):
        assert command in text
        assert f"\n{command}\n" in script
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_figure_is_small() -> None:
    assert (ROOT / "docs/surface-balance.png").stat().st_size < 300_000


def _script(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture(autouse=True)
def _scripts_find_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))


def test_table_of_folds(tmp_path: Path) -> None:
    measures = [
        {
            "measure": "w1",
            "label": "distance",
            "model": 0.1234,
            "floor": 0.2,
            "excess": -0.0766,
            "per_fold": [0.1, 0.15],
        },
        {"measure": "auc", "label": "AUC", "model": None, "floor": None, "excess": None, "per_fold": [None]},
    ]
    summary = {"folds": 5, "all_hold": True, "worst_ulps": 3.14, "measures": measures}
    (tmp_path / "folds.json").write_text(json.dumps(summary))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"commands": ["lawful run lake --folds 5 --out somewhere"]}))
    made = _script("make_tables").table(tmp_path)
    assert made.startswith("`lawful run lake --folds 5`: means over 5 folds. All laws, bounds and inequalities hold in")
    assert "3.1 ulps" in made
    assert "| distance | 0.123 | 0.2 | −0.0766 | 0.1 to 0.15 |" in made
    assert "| AUC | – | – | – | – |" in made


def test_marked_parts_are_replaced_and_nothing_else() -> None:
    replaced = _script("marked").replaced
    text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n"
    assert replaced(text, "x", "new") == text.replace("old", "new")
    assert replaced(replaced(text, "x", "new"), "x", "old") == text
    with pytest.raises(ValueError, match="expected one"):
        replaced(text, "y", "new")


def test_tables_of_one_comparison_leave_the_others_as_they_are(tmp_path: Path) -> None:
    page, folder = tmp_path / "compare.md", tmp_path / "run"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "compare.png").write_bytes(b"new")
    lake, river = "`lawful compare lake --seeds 2`\n\n| a |", "`lawful compare river --seeds 1`\n\n| b |"
    text = f"<!-- comparison:begin -->\n{lake}\n\n{river}\n<!-- comparison:end -->\n"
    page.write_text(text)
    (folder / "compare.md").write_text(river.replace("| b |", "| c |") + "\n")
    _script("make_comparison").main([folder], page)
    assert page.read_text() == text.replace("| b |", "| c |")
    assert not page.with_suffix(".png").exists()
    (folder / "compare.md").write_text(lake)
    _script("make_comparison").main([folder], page)
    assert page.with_suffix(".png").read_bytes() == b"new"


def test_a_row_of_several_seeds() -> None:
    row = _script("make_seed_table")._row
    seeds = [{"label": "AUC", "model": m, "floor": 0.5, "excess": m - 0.5} for m in (0.5, 0.6, 0.4)]
    assert row(seeds) == ["AUC", "0.5", "0.5", "0 ± 0.1", "−0.1 to 0.1"]
    assert row([{"label": "AUC", "model": None, "floor": None, "excess": None}] * 2) == ["AUC", "–", "–", "–", "–"]


def test_readme_has_the_marks() -> None:
    text = (ROOT / "README.md").read_text()
    for mark in ("results", "check"):
        assert text.count(f"<!-- {mark}:begin -->") == text.count(f"<!-- {mark}:end -->") == 1


def test_figure_is_stacked(tmp_path: Path) -> None:
    figures = _script("make_figures")
    (tmp_path / "figures").mkdir()
    for width, name in zip((30, 20), figures.PARTS, strict=True):
        figures.Image.new("RGB", (width, 10), "black").save(tmp_path / "figures" / name)
    with figures.Image.open(figures.main(tmp_path, tmp_path / "out.png")) as made:
        assert made.width == 30
        assert made.height > 20
