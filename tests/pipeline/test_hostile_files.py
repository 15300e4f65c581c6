"""Files of a run that were damaged, forged or made by another version: refused in one line, never executed."""

import hashlib
import json
import struct

import pytest
import yaml
from safetensors.torch import load, save

from lawful.core.models import BaggedModel
from lawful.pipeline.model_file import FORMAT

BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

RECORDS = {
    "python tag": "!!python/object/apply:os.mkdir [executed]",
    "python tag in a field": "commands: [!!python/name:os.system '']",
    "nothing": "",
    "a list": "[1, 2]",
    "no yaml": "settings: [",
    "not text": b"\xff\xfe\x00\x01",
    "deeply nested": "[" * 5000,
    "few fields": "settings: {domain: parts, out: x}",
    "aliases that multiply": f"{BOMB}commands: *i\nsettings: *i",
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("command", ["generate", "report"])
def test_a_record_that_is_none(finished, lawful, monkeypatch, content, command):
    monkeypatch.chdir(finished)
    (finished / "run.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    fault = lawful(command, finished).fault
    assert "run.yaml: not a record of a run" in fault
    assert len(fault) < 400
    assert not (finished / "executed").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("members", 0), ("given", "b"), ("seed", "one"), ("dtype", "float16"), ("folds", 9), ("surprise", 1)],
)
def test_a_record_with_a_wrong_setting(finished, lawful, field, value):
    record = yaml.safe_load((finished / "run.yaml").read_text())
    record["settings"][field] = value
    (finished / "run.yaml").write_text(yaml.safe_dump(record))
    assert f"not a record of a run (settings.{field}: " in lawful("generate", finished).fault


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("domain", "nowhere", "no domain 'nowhere'"), ("given", ["Snow"], "'Snow'"), ("model", "oracle", "'oracle'")],
)
def test_a_record_that_names_what_there_is_not(finished, lawful, field, value, words):
    record = yaml.safe_load((finished / "run.yaml").read_text())
    record["settings"][field] = value
    (finished / "run.yaml").write_text(yaml.safe_dump(record))
    assert words in lawful("generate", finished).fault


DESCRIPTIONS = {
    "nothing": b"",
    "no json": b"{'format': 1}",
    "not text": b"\xff\xfe\x00\x01",
    "a list": b"[]",
    "deeply nested": b"[" * 100_000,
    "newer": b'{"format": %d}' % (FORMAT + 1),
}


@pytest.mark.parametrize("content", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_that_is_none(finished, lawful, content):
    (finished / "model/model.json").write_bytes(content)
    assert "model.json: " in lawful("generate", finished).fault


@pytest.mark.parametrize("content", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_damaged_model_is_trained_again(finished, lawful, files, content):
    (finished / "model/model.json").write_bytes(content)
    said = lawful("train", "parts", "--data", files / "parts.nc", "--out", finished, "--fast")
    assert said.code == 0
    assert "model.json: " in said.err
    assert json.loads((finished / "model/model.json").read_text())["format"] == FORMAT


def test_weights_that_were_tampered_with(finished, lawful):
    path = finished / "model/model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "model.safetensors: does not belong to model.json" in lawful("generate", finished).fault


def test_weights_that_are_gone(finished, lawful):
    (finished / "model/model.safetensors").unlink()
    assert "model.json: not a model of lawful" in lawful("generate", finished).fault


def forge(folder, content):
    """Weights with a description that fits them."""
    (folder / "model/model.safetensors").write_bytes(content)
    description = json.loads((folder / "model/model.json").read_text())
    description["weights_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "model/model.json").write_text(json.dumps(description))


def without(name):
    return lambda tensors: save({key: value for key, value in tensors.items() if not key.endswith(name)})


def as_other(name, change):
    return lambda tensors: save({k: change(t).contiguous() if k.endswith(name) else t for k, t in tensors.items()})


FORGED = {
    "nothing": lambda tensors: b"",
    "a pickle": lambda tensors: b"cos\nsystem\n(S'touch executed'\ntR.",
    "truncated": lambda tensors: save(tensors)[:-100],
    "an endless header": lambda tensors: struct.pack("<Q", 2**62) + b"{}",
    "no states": without("chart.table"),
    "no weights": without("coordinates.linear"),
    "states of other columns": as_other("chart.table", lambda t: t[:, :-1]),
    "states of other values": as_other("chart.table", lambda t: t + 1000),
    "states of fractions": as_other("chart.table", lambda t: t.double()),
    "no atoms": as_other("chart.atoms", lambda t: t[:0]),
    "other weights": as_other("coordinates.linear", lambda t: t[:1]),
    "no states at all": lambda tensors: save(
        {**tensors, **{f"chart.{name}": tensors[f"chart.{name}"][:0] for name in ("table", "counts", "ratios")}}
    ),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_forged_weights(finished, lawful, monkeypatch, forged):
    monkeypatch.chdir(finished)
    forge(finished, forged(load((finished / "model/model.safetensors").read_bytes())))
    before = (finished / "ensemble.nc").read_bytes()
    assert lawful("generate", finished).fault
    assert (finished / "ensemble.nc").read_bytes() == before
    assert not (finished / "executed").exists()


def test_a_forged_description_does_not_size_the_network(finished, lawful, monkeypatch):
    description = json.loads((finished / "model/model.json").read_text())
    description["network"]["width"] = 10**12
    description["context_size"] = 10**12
    (finished / "model/model.json").write_text(json.dumps(description))
    monkeypatch.setattr(BaggedModel, "__init__", lambda *arguments: pytest.fail("a network was made"))
    assert "trained with other context size, network" in lawful("generate", finished).fault
