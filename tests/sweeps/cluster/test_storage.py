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


def test_what_one_worker_uploads_another_one_downloads(storage, tmp_path):
    file = storage.local_file("a.checkpoint")
    storage.download(file)
    assert not file.exists()
    file.write_bytes(b"state")
    storage.upload(file)
    file.write_bytes(b"later")
    storage.download(file)
    assert file.read_bytes() == b"state"
    storage.delete(file.name)
    storage.delete(file.name)
    file.unlink()
    storage.download(file)
    assert not file.exists()
    storage.clear()
    assert not list((tmp_path / "kept").iterdir())


def test_only_the_user_can_read_the_local_folder(storage, tmp_path, monkeypatch):
    folder = storage.local_file("a").parent.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    folder.rename(folder.with_name("gan-sweep-4711"))
    with pytest.raises(PermissionError, match="belongs to another user"):
        storage.local_file("a")


def test_without_a_uri_a_checkpoint_stays_on_the_workers_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    storage = Storage("tiny-0123456789ab", None)
    file = storage.local_file("a")
    file.write_bytes(b"state")
    for do in (storage.upload, storage.download):
        do(file)
    storage.delete("a")
    storage.clear()
    assert file.read_bytes() == b"state"
    assert storage.fault() is None


@pytest.mark.parametrize("text", ["ftp://host/a", "s3://", "s3://key:secret@bucket/a"])
def test_an_unknown_form_of_uri_is_refused_without_showing_its_secrets(text):
    with pytest.raises(SweepError, match="--storage") as refusal:
        storage_uri(text)
    assert "secret" not in str(refusal.value)


def test_a_storage_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SweepError, match=r"--storage .* cannot be written"):
        Storage("tiny-0123456789ab", str(tmp_path / "file")).prepare()


def test_a_resumed_sweep_uses_the_storage_of_its_record(tmp_path):
    recorded = {"key": "tiny-0123456789ab", "uri": str(tmp_path)}
    assert chosen_storage("tiny", None, recorded, is_cluster=False) == Storage(**recorded)
    assert chosen_storage("tiny", str(tmp_path), recorded, is_cluster=True) == Storage(**recorded)
    other = chosen_storage("tiny", "s3://bucket/a", recorded, is_cluster=True)
    assert other.uri == "s3://bucket/a"
    assert other.key != "tiny-0123456789ab"
    assert chosen_storage("tiny", None, None, is_cluster=False) is None
    assert chosen_storage("tiny", None, None, is_cluster=True).uri is None


@pytest.mark.parametrize("key", ["/home/u", "../../tiny-0123456789ab", "tiny", "tiny-0123456789ab/.."])
def test_a_record_cannot_name_the_folder_of_anything_else(key):
    with pytest.raises(SweepError, match="12 hexadecimal digits"):
        chosen_storage("tiny", None, {"key": key, "uri": None}, is_cluster=False)
