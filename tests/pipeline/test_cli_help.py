"""What `--help` and a mistyped command line show."""

import importlib.metadata

import pytest

from lawful.domains import registry

COMMANDS = {
    "run": "--out --data --map --members --given --model --seed --device --mixed --folds --dtype --resume --fast",
    "train": "--out --data --map --given --model --seed --device --mixed --resume --fast",
    "generate": "--data --map --members --seed --dtype",
    "report": "",
    "check": "--domain --map --tol --step --json --html",
    "repair": "--domain --output --map --sigma --overwrite --json",
    "domains": "",
    "data": "--output",
    "init": "--data",
    "compare": "--out --strategies --models --seeds --steps --members --data --map --resume",
}


@pytest.fixture(autouse=True)
def narrow_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_option_and_fits_a_terminal(lawful, command):
    said = lawful(command, "--help")
    assert (said.code, said.err) == (0, "")
    assert all(f" {option} " in said.out for option in COMMANDS[command].split())
    assert max(map(len, said.out.splitlines())) <= 80
    assert "\x1b" not in said.out


@pytest.mark.parametrize("command", ["run", "train", "generate", "report", "check", "repair", "data"])
def test_help_tells_the_exit_codes(lawful, command):
    assert "Exit codes:\n    0  done\n    1  a law, a bound" in lawful(command, "--help").out


@pytest.mark.parametrize("command", ["run", "train", "generate", "check", "repair"])
def test_help_has_examples(lawful, command):
    assert f"Examples:\n    lawful {command} " in lawful(command, "--help").out


def test_help_tells_defaults(lawful):
    words = " ".join(lawful("run", "--help").out.split())
    for default in ("lawful-DOMAIN", "the domain's sample", "20", "auto", "0", "auto", "1", "float64"):
        assert f"[default: {default}]" in words


def test_nothing_asked_for_shows_the_help(lawful):
    said = lawful()
    assert said.code == 0
    assert all(f"\n  {command} " in said.out for command in COMMANDS)


def test_the_version(lawful):
    assert lawful("--version").out.startswith("lawful 0")


def test_domains_are_listed_with_their_laws(lawful):
    said = lawful("domains")
    assert (said.code, said.err) == (0, "")
    assert "budget: A water budget" in said.out
    assert "Rain = Evap + RO + Store   [mm h-1]" in said.out


def test_a_domain_of_many_laws_is_listed_in_short_and_shown_whole(lawful, monkeypatch):
    monkeypatch.setattr(registry, "entry_points", importlib.metadata.entry_points)
    short, whole = lawful("domains").out, lawful("domains", "soil-water").out
    law = "precipitation + irrigation = runoff + percolation + evaporation + transpiration + diff(storage)   [mm]"
    assert f"    water[1]     {law[:70]}" in short and "… 30 laws in all: lawful domains soil-water" in short
    assert "water[2] " not in short
    assert whole.count(law) == 30 and "metabolic-flux" not in whole


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "'nonsense'"),
        (["run"], "Missing argument 'DOMAIN'"),
        (["run", "budget", "--nonsense"], "--nonsense"),
        (["run", "budget", "--members", "many"], "'--members'"),
        (["check", "file.nc"], "'--domain'"),
        (["generate"], "'DIR'"),
    ],
)
def test_a_wrong_command_line_is_one_line_that_leads_to_the_help(lawful, arguments, words):
    fault = lawful(*arguments).fault
    assert words in fault
    assert fault.endswith(" --help`)")
