import pytest
import torch

from gan_core.checkpoint import load_checkpoint, load_latest_checkpoint, previous_checkpoint, save_checkpoint
from gan_core.errors import CorruptedCheckpointError

STATE = {"weights": {"a": torch.arange(1000.0)}, "step": 3, "names": ["x"], "best": None}


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "checkpoint"
    save_checkpoint(file, STATE)
    return file


def test_what_was_saved_is_loaded(file):
    state = load_checkpoint(file)
    assert torch.equal(state["weights"].pop("a"), STATE["weights"]["a"])
    assert state == STATE | {"weights": {}}
    assert [path.name for path in file.parent.iterdir()] == ["checkpoint"]


def flipped(content):
    return content[:700] + bytes([content[700] ^ 1]) + content[701:]


@pytest.mark.parametrize("damage", [flipped, lambda content: content[:-40], lambda content: b""])
def test_a_damaged_file_is_refused(file, damage):
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CorruptedCheckpointError, match="checkpoint is truncated or corrupted"):
        load_checkpoint(file)


def test_a_write_that_fails_leaves_the_last_state(file, monkeypatch):
    monkeypatch.setattr("os.fsync", _fail)
    with pytest.raises(OSError, match="full"):
        save_checkpoint(file, STATE | {"step": 4})
    assert load_checkpoint(file)["step"] == 3


def _fail(_descriptor):
    raise OSError("disk full")


class Malice:
    def __reduce__(self):
        return print, ("code ran",)


def test_code_in_a_checkpoint_does_not_run(file, capsys):
    save_checkpoint(file, {"step": Malice()})
    with pytest.raises(CorruptedCheckpointError, match=r"is not a training checkpoint: .*[Ww]eights only"):
        load_checkpoint(file)
    assert capsys.readouterr().out == ""


def newest(file):
    said = []
    state = load_latest_checkpoint(file, "cpu", said.append)
    return state and state["step"], said


def test_a_corrupted_latest_checkpoint_falls_back_to_the_previous_one_and_reports_it(file):
    save_checkpoint(file, STATE | {"step": 4})
    assert newest(file) == (4, [])
    file.write_bytes(file.read_bytes()[:-7])
    step, (said,) = newest(file)
    assert (step, said) == (3, f"{file} is truncated or corrupted; falling back to the previous checkpoint")
    previous_checkpoint(file).write_bytes(b"")
    step, said = newest(file)
    assert step is None
    assert [line.rpartition("; ")[2] for line in said] == ["training starts over"]


def test_a_stop_between_the_two_renames_leaves_the_previous_state(file):
    save_checkpoint(file, STATE | {"step": 4})
    file.unlink()
    assert newest(file) == (3, [])
    previous_checkpoint(file).unlink()
    assert newest(file) == (None, [])
