"""What a training leaves behind when it is killed, and when a finished one is used again."""

import signal

import pytest
from small import parts_data, save

from lawful.pipeline import model_file

OVER = "was cut off; starting over"


def test_a_killed_training_is_not_taken_for_a_finished_one(ended_by, lawful, train, tmp_path):
    out = tmp_path / "run"
    assert ended_by(signal.SIGKILL, out)[0] == -signal.SIGKILL
    left = {path.name for path in out.rglob("*") if not path.name.startswith(".")}
    assert left - {"checkpoint.safetensors", "training.csv"} == {"model", "training.json"}
    assert "no run.yaml here" in lawful("generate", out).fault
    said = train("--seed", 1)
    assert said.code == 0
    assert OVER in said.err
    assert not (out / "model/training.json").exists()
    assert "reusing the finished training" in train("--seed", 1).err


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "training.csv", "model.safetensors", "model.json"])
def test_what_a_killed_process_did_not_finish_writing_goes(train, tmp_path, name):
    folder = tmp_path / "run" / "model"
    folder.mkdir(parents=True)
    half = folder / f".{name}.abcdefgh"
    half.write_bytes(b"half")
    assert train().code == 0
    assert not half.exists()


def test_a_training_killed_in_the_folder_of_a_finished_run(ended_by, finished, lawful):
    ended_by(signal.SIGKILL, finished)
    assert "the training was cut off; run `lawful train`" in lawful("generate", finished).fault
    assert lawful("report", finished).code == 0


def test_an_interrupted_training_ends_in_one_line(ended_by, tmp_path):
    code, said = ended_by(signal.SIGINT, tmp_path / "run")
    assert code == 130
    assert said.splitlines()[-1] == "lawful: interrupted"
    assert "Traceback" not in said


@pytest.mark.parametrize("last", ["model.safetensors", "model.json"])
def test_a_training_killed_while_it_is_written(train, monkeypatch, last):
    whole = model_file.write_atomically

    def cut(path, content):
        if path.name == last:
            raise KeyboardInterrupt
        whole(path, content)

    monkeypatch.setattr(model_file, "write_atomically", cut)
    assert train().code == 130
    monkeypatch.setattr(model_file, "write_atomically", whole)
    assert OVER in train().err


@pytest.mark.parametrize(
    ("options", "fact"),
    [(["--seed", 1], "seed"), (["--given", "b"], "given"), (["--map", "b=b"], "mapping")],
)
def test_other_settings_train_again_and_say_which(train, options, fact):
    assert "starting over" not in train().err
    assert f"was trained with other {fact}; starting over" in train(*options).err


def test_other_data_train_again(lawful, tmp_path):
    command = ("train", "parts", "--data", tmp_path / "data.nc", "--out", tmp_path / "run")
    save(parts_data(), tmp_path / "data.nc")
    assert lawful(*command).code == 0
    save(parts_data(seed=1), tmp_path / "data.nc")
    assert "was trained with other data; starting over" in lawful(*command).err


def test_another_file_name_of_the_same_data_does_not_matter(train, lawful, files, tmp_path):
    train()
    (tmp_path / "copy.nc").write_bytes((files / "parts.nc").read_bytes())
    said = lawful("train", "parts", "--data", tmp_path / "copy.nc", "--out", tmp_path / "run", "--fast")
    assert "reusing" in said.err
