"""Windows as chains of steps: a step as a domain, and the steps of a data set as its events."""

import numpy as np
import pytest
import xarray as xr

from lawful.domains import Blocks, Context, Domain, InputError, Law, Variable
from lawful.domains.blocks import block_labels
from lawful.domains.context import context_features, step_features
from lawful.domains.problem import problem_of
from lawful.domains.steps import chain_of, step_domain, step_events

DAYS = ("1", "2", "3", "4")


def soil(**changes) -> Domain:
    content = {
        "name": "soil", "title": "Soil", "event": "window", "event_dim": "time", "window": "day",
        "dimensions": {"day": DAYS, "midnight": ("0", *DAYS)},
        "variables": (
            Variable(name="rain", units="mm", lower=0, over="day"),
            Variable(name="storage", units="mm", lower=0, upper=300, over="midnight", description="water"),
            Variable(name="loss", units="mm", lower=0, over="day"),
        ),
        "laws": (
            Law(name="water", equation="rain - loss = diff(storage)", units="mm", tolerance=1e-9, reference="Hillel"),
            Law(name="most", equation="loss <= 0.1 * rain + 20", units="mm"),
        ),
        "context": (
            Context(name="season", kind="day_of_year"),
            Context(name="stage", kind="variable", over="day", categories=(0, 1, 2)),
            Context(name="slope", kind="variable"),
        ),
        "blocks": Blocks(kind="time", length_days=28),
    }  # fmt: skip
    return Domain(**{**content, **changes})


def windows(count: int = 9, realizations: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(0)
    shape = (realizations, count) if realizations else (count,)
    dims = ("realization", "time") if realizations else ("time",)
    rain, loss = rng.gamma(1, 2, (*shape, 4)), rng.gamma(1, 2, (*shape, 4))
    storage = 150 + np.concatenate([np.zeros((*shape, 1)), np.cumsum(rain - loss, axis=-1)], axis=-1)
    columns = {f"rain[{d}]": rain[..., i] for i, d in enumerate(DAYS)}
    columns |= {f"loss[{d}]": loss[..., i] for i, d in enumerate(DAYS)}
    columns |= {f"storage[{d}]": storage[..., i] for i, d in enumerate(("0", *DAYS))}
    time = np.datetime64("2001-01-01", "ns") + 4 * np.arange(count) * np.timedelta64(1, "D")
    ds = xr.Dataset({name: (dims, values) for name, values in columns.items()}, {"time": time})
    return ds.assign(stage=(("time", "day"), rng.integers(0, 3, (count, 4))), slope=("time", np.arange(count) / 8))


def test_the_columns_of_each_step():
    domain = soil()
    steps = chain_of(domain, problem_of(domain))
    assert steps.names == ("storage_before", "rain", "loss", "storage")
    assert [domain.names[i] for i in steps.columns[2]] == ["storage[2]", "rain[3]", "loss[3]", "storage[3]"]
    assert len(steps) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"window": None, "context": ()},
        {"variables": (*soil().variables, Variable(name="depth", units="m"))},
        {"laws": (*soil().laws, Law(name="dry", equation="rain[1] = 0", units="mm"))},
        {"laws": (*soil().laws, Law(name="total", equation="sum(rain, over=day) <= 90", units="mm"))},
    ],
    ids=["no window", "a variable of no step", "a law of one day", "a law of all days"],
)
def test_what_is_no_chain(changes):
    domain = soil(**changes)
    assert chain_of(domain, problem_of(domain)) is None


def test_a_step_as_a_domain():
    domain = soil()
    one = step_domain(domain, chain_of(domain, problem_of(domain)))
    assert one.names == ("storage_before", "rain", "loss", "storage")
    matrix, constants, names = one.matrix()
    assert (matrix.tolist(), constants.tolist(), names) == ([[1, 1, -1, -1]], [0], ("water",))
    assert one.inequality_matrix()[0].tolist() == [[0, -0.1, 1, 0]]
    assert one.inequality_matrix()[1].tolist() == [20]
    assert (one.variable("storage_before").upper, one.variable("storage").description) == (300, "water")
    assert (one.laws[0].tolerance, one.laws[0].reference, one.event) == (1e-9, "Hillel", "day")


def test_steps_in_a_row():
    domain, ds = soil(), windows(realizations=2)
    steps = chain_of(domain, problem_of(domain))
    made = step_events(ds, domain, steps)
    one = step_domain(domain, steps)
    assert dict(made.sizes) == {"realization": 2, "time": 36}
    np.testing.assert_array_equal(made.time, np.datetime64("2001-01-01", "ns") + np.arange(36) * np.timedelta64(1, "D"))
    np.testing.assert_array_equal(made.rain[1, 4:8], [ds[f"rain[{d}]"][1, 1] for d in DAYS])
    np.testing.assert_array_equal(made.storage[:, :-1].where(made.time.dt.day % 4 != 0, drop=False)[:, :3],
                                  made.storage_before[:, 1:][:, :3])  # fmt: skip
    residual = made.rain - made.loss - made.storage + made.storage_before
    assert float(abs(residual).max()) < 1e-12
    # Steps of one window stay in its block.
    np.testing.assert_array_equal(block_labels(made, one), np.repeat(block_labels(ds, domain), 4))


def test_context_of_each_step():
    domain, ds = soil(), windows()
    features = step_features(ds, domain)
    assert features.shape == (9, 4, 4 + 3 + 1)
    one = step_domain(domain, chain_of(domain, problem_of(domain)))
    of_steps, names = context_features(step_events(ds, domain, chain_of(domain, problem_of(domain))), one)
    np.testing.assert_allclose(features.reshape(36, -1), of_steps)
    assert names[-2:] == ("stage_2", "slope")
    np.testing.assert_array_equal(features[3, 2, 4:7], np.eye(3)[int(ds.stage[3, 2])])
    whole, names = context_features(ds, domain)
    assert whole.shape == (9, 4 + 12 + 1)
    assert names[4] == "stage[1]_0"


def test_a_category_that_is_not_declared():
    ds = windows()
    ds["stage"][2, 1] = 7
    with pytest.raises(InputError, match="context 'stage' holds 7; its categories are 0, 1, 2"):
        step_features(ds, soil())


def test_context_over_another_dimension():
    with pytest.raises(ValueError, match="context 'stage' lies over 'midnight'"):
        soil(context=(Context(name="stage", kind="variable", over="midnight"),))
