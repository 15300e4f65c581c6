"""Domains come through entry points, also from someone else's package."""

import sys

import pytest

from lawful.domains import InputError, get_domain, list_domains

MODULE = """
from lawful.domains import get_domain
DOMAIN = get_domain("rock-oxides").model_copy(update={"name": "soils"})
NOT_A_DOMAIN = 3
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one entry point on sys.path."""
    (tmp_path / "someones_soils.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "someones_soils", raising=False)

    def add(distribution: str, name: str, value: str) -> None:
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lawful.domains]\n{name} = {value}\n")

    return add


def test_a_domain_of_another_package(install):
    install("soilpack", "soils", "someones_soils:DOMAIN")
    assert "soils" in list_domains()
    assert get_domain("soils").name == "soils"


def test_two_of_one_name_name_both_distributions(install):
    install("soilpack", "soils", "someones_soils:DOMAIN")
    install("otherpack", "soils", "someones_soils:DOMAIN")
    with pytest.raises(InputError, match=r"otherpack.*soilpack"):
        get_domain("soils")


def test_a_name_that_lawful_has_cannot_be_taken_over(install):
    install("soilpack", "rock-oxides", "someones_soils:DOMAIN")
    with pytest.raises(InputError, match=r"lawful.*soilpack"):
        get_domain("rock-oxides")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("soils", "someones_soils:MISSING", "does not load"),
        ("soils", "no_such_module:DOMAIN", "does not load: ModuleNotFoundError"),
        ("soils", "someones_soils:NOT_A_DOMAIN", "is a int, not a Domain"),
        ("earths", "someones_soils:DOMAIN", "calls itself 'soils'"),
    ],
)
def test_broken_entry_points(install, name, value, message):
    install("soilpack", name, value)
    with pytest.raises(InputError, match=message) as caught:
        get_domain(name)
    assert "soilpack" in str(caught.value)


def test_unknown_name_lists_the_known():
    with pytest.raises(InputError, match=r"'nothing'.*rock-oxides.*surface-balance"):
        get_domain("nothing")
