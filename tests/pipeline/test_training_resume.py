"""Trainings that are cut off and go on from their checkpoint."""

import json
import signal

import pytest
from safetensors.torch import save
from torch import zeros

from lawful.domains import InputError
from lawful.pipeline import keeping
from lawful.pipeline.checkpoint import read_checkpoint, write_checkpoint


@pytest.fixture
def cut_after(monkeypatch, train):
    """Train until so many checkpoints are written, as a process does that is killed then."""
    whole = keeping.write_checkpoint

    def command(count, options=(), out="run"):
        written = []

        def write(path, content):
            whole(path, content)
            written.append(path)
            if len(written) == count:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(keeping, "write_checkpoint", write)
            assert train(*options, out=out).code == 130

    return command


def made(folder):
    description = json.loads((folder / "model/model.json").read_text())
    return description["weights_sha256"], description["validation_loss"], (folder / "model/training.csv").read_text()


@pytest.mark.parametrize(
    ("count", "where"),
    [(1, "step 2 of network 1"), (2, "step 4 of network 1"), (3, "step 2 of network 2"), (4, "step 4 of network 2")],
)
def test_a_resumed_training_makes_the_same_model(cut_after, train, tmp_path, count, where):
    train(out="whole")
    cut_after(count, out="cut")
    said = train("--resume", out="cut")
    assert said.code == 0
    assert f"going on with the training in {tmp_path / 'cut/model'} from {where}" in said.err
    assert made(tmp_path / "cut") == made(tmp_path / "whole")
    assert not (tmp_path / "cut/model/checkpoint.safetensors").exists()
    assert "reusing the finished training" in train("--resume", out="cut").err


@pytest.mark.parametrize("family", ["flow-matching", "gan"])
def test_other_families_resume(cut_after, train, tmp_path, family):
    train("--model", family, out="whole")
    cut_after(3, options=("--model", family), out="cut")
    assert "from step 2 of network 2" in train("--model", family, "--resume", out="cut").err
    assert made(tmp_path / "cut") == made(tmp_path / "whole")


def test_cut_off_twice(cut_after, train, tmp_path):
    train(out="whole")
    cut_after(1, out="cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "write_checkpoint", lambda path, content: (_ for _ in ()).throw(KeyboardInterrupt))
        assert train("--resume", out="cut").code == 130
    train("--resume", out="cut")
    assert made(tmp_path / "cut") == made(tmp_path / "whole")


def test_without_resume_it_starts_over_and_says_what_is_lost(cut_after, train, tmp_path):
    train(out="whole")
    cut_after(3, out="cut")
    assert "was cut off; starting over; --resume would go on" in train(out="cut").err
    assert made(tmp_path / "cut") == made(tmp_path / "whole")


def test_a_run_resumes_and_generates_what_it_would_have(cut_after, lawful, files, once, tmp_path):
    cut_after(3, out="cut")
    arguments = ["run", "parts", "--data", files / "parts.nc", "--out", tmp_path / "cut", "--members", 3, "--fast"]
    said = lawful(*arguments, "--resume")
    assert said.code == 0
    assert "from step 2 of network 2" in said.err
    assert made(tmp_path / "cut") == made(once)


def test_nothing_to_go_on_with(train, tmp_path):
    said = train("--resume")
    assert said.code == 0
    assert "there is no training in" in said.err


def test_a_checkpoint_of_other_settings_is_refused_and_stays(cut_after, train, tmp_path):
    cut_after(1, out="cut")
    said = train("--resume", "--seed", 1, out="cut")
    assert "--resume: the training in" in said.fault
    assert "other seed; go on with the same settings" in said.fault
    assert train("--resume", out="cut").code == 0


DAMAGED = {
    "nothing": b"",
    "a pickle": b"cos\nsystem\n(S'touch executed'\ntR.",
    "no header of ours": save({"a": zeros(2)}),
    "no json": save({"a": zeros(2)}, metadata={"lawful": "{'a': 1}"}),
    "a list": save({"a": zeros(2)}, metadata={"lawful": "[]"}),
    "a tensor that is not there": save({"a": zeros(2)}, metadata={"lawful": '{"facts": "tensor:b"}'}),
    "no facts": save({"a": zeros(2)}, metadata={"lawful": "{}"}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_checkpoint_is_refused_in_one_line(cut_after, train, tmp_path, content):
    cut_after(1, out="cut")
    (tmp_path / "cut/model/checkpoint.safetensors").write_bytes(content)
    assert train("--resume", out="cut").fault


FORGED = {
    "no state": lambda content: {**content, "state": {}},
    "other weights": lambda content: {**content, "state": {**content["state"], "model": {}}},
    "other optimisers": lambda content: {**content, "state": {**content["state"], "optimizers": []}},
    "other random numbers": lambda content: {**content, "state": {**content["state"], "random": {"batches": zeros(1)}}},
    "no weights of a finished network": lambda content: {**content, "finished": [{}]},
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_forged_checkpoint_is_refused_in_one_line(cut_after, train, tmp_path, forged):
    cut_after(3, out="cut")
    path = tmp_path / "cut/model/checkpoint.safetensors"
    write_checkpoint(path, forged(read_checkpoint(path)))
    said = train("--resume", out="cut")
    assert (said.code, len(said.err.splitlines())) == (2, 2)
    assert "of this training" in said.err


def test_what_is_written_is_read(tmp_path):
    content = {"a": [1, 2.5, None, {"b": zeros(3)}], "c": zeros(()), "d": "text", "e": zeros(0, 2), "f": float("inf")}
    write_checkpoint(tmp_path / "x", content)
    found = read_checkpoint(tmp_path / "x")
    assert found["a"][:3] == [1, 2.5, None]
    assert (found["d"], found["f"]) == ("text", float("inf"))
    assert [found["a"][3]["b"].shape, found["c"].shape, found["e"].shape] == [(3,), (), (0, 2)]
    assert read_checkpoint(tmp_path / "y") is None
    (tmp_path / "x").write_bytes(b"no")
    with pytest.raises(InputError, match="not a checkpoint"):
        read_checkpoint(tmp_path / "x")


def test_sigterm_leaves_a_checkpoint(ended_by, tmp_path, train):
    code, said = ended_by(signal.SIGTERM, tmp_path / "run")
    assert code == -signal.SIGTERM
    assert "asked to end at step" in said
    assert said.rstrip().endswith("--resume goes on from there")
    state = read_checkpoint(tmp_path / "run/model/checkpoint.safetensors")["state"]
    assert f"at step {state['step']} of network 1" in said
    assert "other schedule" in train("--seed", 1, "--resume").fault
