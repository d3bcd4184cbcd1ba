import os

import pytest

from sweeps.cluster.storage import Storage, chosen_storage, storage_uri
from sweeps.errors import SweepError


@pytest.fixture(params=["path", "file"])
def storage(request, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept = tmp_path / "kept"
    storage = Storage("tiny-0123456789ab", str(kept) if request.param == "path" else kept.as_uri())
    storage.prepare()
    return storage


def test_what_one_worker_keeps_another_one_fetches(storage, tmp_path):
    file = storage.own_file("a.checkpoint")
    storage.fetch(file)
    assert not file.exists()
    file.write_bytes(b"state")
    storage.keep(file)
    file.write_bytes(b"later")
    storage.fetch(file)
    assert file.read_bytes() == b"state"
    storage.drop(file.name)
    storage.drop(file.name)
    file.unlink()
    storage.fetch(file)
    assert not file.exists()
    storage.clear()
    assert not list((tmp_path / "kept").iterdir())


def test_a_states_own_folder_is_its_users_alone(storage, tmp_path, monkeypatch):
    folder = storage.own_file("a").parent.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    folder.rename(folder.with_name("gan-sweep-4711"))
    with pytest.raises(PermissionError, match="another user's"):
        storage.own_file("a")


def test_without_an_address_a_state_stays_where_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage = Storage("tiny-0123456789ab", None)
    file = storage.own_file("a")
    file.write_bytes(b"state")
    for do in (storage.keep, storage.fetch):
        do(file)
    storage.drop("a")
    storage.clear()
    assert file.read_bytes() == b"state"
    assert storage.fault() is None


@pytest.mark.parametrize("text", ["ftp://host/a", "s3://", "s3://key:secret@bucket/a"])
def test_what_states_cannot_be_kept_in_is_refused_without_its_secrets(text):
    with pytest.raises(SweepError, match="--storage") as refusal:
        storage_uri(text)
    assert "secret" not in str(refusal.value)


def test_a_storage_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SweepError, match="nothing can be kept in --storage"):
        Storage("tiny-0123456789ab", str(tmp_path / "file")).prepare()


def test_a_sweep_goes_on_with_the_storage_that_its_ledger_has(tmp_path):
    recorded = {"key": "tiny-0123456789ab", "uri": str(tmp_path)}
    assert chosen_storage("tiny", None, recorded, is_cluster=False) == Storage(**recorded)
    assert chosen_storage("tiny", str(tmp_path), recorded, is_cluster=True) == Storage(**recorded)
    other = chosen_storage("tiny", "s3://bucket/a", recorded, is_cluster=True)
    assert other.uri == "s3://bucket/a"
    assert other.key != "tiny-0123456789ab"
    assert chosen_storage("tiny", None, None, is_cluster=False) is None
    assert chosen_storage("tiny", None, None, is_cluster=True).uri is None


@pytest.mark.parametrize("key", ["/home/u", "../../tiny-0123456789ab", "tiny", "tiny-0123456789ab/.."])
def test_a_ledger_names_no_folder_but_a_sweeps(key):
    with pytest.raises(SweepError, match="which no sweep's is"):
        chosen_storage("tiny", None, {"key": key, "uri": None}, is_cluster=False)
