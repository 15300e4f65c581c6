"""The contract of a domain goes as far as a short run."""

import pytest
from small import PARTS

from lawful import testing
from lawful.domains import InputError
from lawful.testing import check_domain


def test_a_short_run_is_part_of_the_contract(files):
    check_domain(PARTS, files / "parts.nc")


def test_an_unlawful_ensemble_is_told(files, monkeypatch):
    generate = testing.generate

    def wrong(*arguments):
        ds = generate(*arguments)
        return ds.assign(a=ds.a * 1.01)

    monkeypatch.setattr(testing, "generate", wrong)
    with pytest.raises(InputError, match="the ensemble of a short run breaks total"):
        check_domain(PARTS, files / "parts.nc")


def test_a_domain_without_sample_needs_a_file():
    with pytest.raises(InputError, match="give a file of your own"):
        check_domain(PARTS)
