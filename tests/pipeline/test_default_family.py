"""Which family of models learns the domains that come with lawful, when none is asked for."""

import pytest

from lawful.pipeline import RunSettings
from lawful.pipeline.data import prepare


@pytest.fixture
def small_domains():
    """The domains as they are installed."""


@pytest.mark.parametrize(
    ("domain", "family"),
    [("surface-balance", "autoregressive"), ("rock-oxides", "autoregressive"), ("rock-composition", "kernel")],
)
def test_it_goes_by_how_many_events_each_state_has(tmp_path, domain, family):
    settings = RunSettings.checked(domain=domain, out=tmp_path)
    assert prepare(settings, 0, settings.load_domain()).family == family


def test_a_family_that_is_asked_for_is_taken(tmp_path):
    settings = RunSettings.checked(domain="rock-composition", out=tmp_path, model="vae")
    assert prepare(settings, 0, settings.load_domain()).family == "vae"
