"""Every domain in docs/domains.md loads; what its text says of them is so."""

import re
from pathlib import Path

import numpy as np
import pytest

from lawful.domains import InputError, ShapedDomain, load_any_domain

PAGE = (Path(__file__).parents[2] / "docs/domains.md").read_text()
EXAMPLES = {re.search(r"name: (\S+)", text)[1]: text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)}


@pytest.fixture
def example(tmp_path):
    def load(name: str, before: str = "", after: str = ""):
        assert before in EXAMPLES[name]
        (tmp_path / f"{name}.yaml").write_text(EXAMPLES[name].replace(before, after))
        return load_any_domain(tmp_path / f"{name}.yaml")

    return load


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_loads(example, name):
    domain = example(name)
    assert domain.name == name
    if isinstance(domain, ShapedDomain):
        assert domain.equations
        return
    assert domain.laws
    if not domain.waiting:
        assert domain.matrix()[0].shape[1] == len(domain.names)


def test_there_are_all_kinds():
    kinds = {"my-tower", "wet-surface", "rocks", "soil-water", "fine-rain", "rain-and-runoff", "open-tower"}
    assert set(EXAMPLES) == kinds | {"fields-and-forests", "my-field"}


def test_the_message_on_the_page_is_the_message(example):
    with pytest.raises(InputError) as caught:
        example("my-tower", "H + LE\n", "H * LE\n")
    shown = re.search(r"lawful: my-tower.yaml, (line .*?); \.\.\.", PAGE)[1]
    assert shown in str(caught.value)


def test_units_meet_as_the_page_says(example):
    A, _, names = example("wet-surface").matrix()
    assert names == ("water", "heat")
    np.testing.assert_allclose(A, [[3600, -1, -1 / 24, 0, 0], [0, -680.6, 0, 1, 0]], rtol=1e-14)


def test_storage_is_continuous(example):
    A, _, _ = example("soil-water").matrix()
    assert A.shape == (3, 10)
    np.testing.assert_array_equal(A[0], [1, 0, 0, -1, 0, 0, 1, -1, 0, 0])
