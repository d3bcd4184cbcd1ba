"""The folder for the files and sockets of a local Ray."""

import os
from pathlib import Path

import pytest

from sweeps.cluster import temporary
from sweeps.cluster.temporary import SOCKET, SOCKET_PATH_BYTES, ray_folder
from sweeps.errors import SweepError

VARIABLES = ("TMPDIR", "RAY_TMPDIR")


@pytest.fixture(autouse=True)
def no_folder_is_chosen(monkeypatch):
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_a_short_folder_is_left_to_ray(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/var")
    with ray_folder() as folder:
        assert folder is None


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_folder_with_a_long_path_is_replaced_by_a_short_private_one(monkeypatch, tmp_path, variable):
    job = tmp_path / ("x" * 70)
    job.mkdir()
    monkeypatch.setenv(variable, str(job))
    with ray_folder() as folder:
        assert len(folder) + len(SOCKET) <= SOCKET_PATH_BYTES
        assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert not Path(folder).exists()


def test_a_folder_that_is_a_file_is_replaced(monkeypatch, tmp_path):
    monkeypatch.setattr(temporary, "SOCKET_PATH_BYTES", 1000)
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "file"))
    with ray_folder() as folder:
        assert folder is not None
    monkeypatch.setenv("TMPDIR", str(tmp_path / "new"))
    with ray_folder() as folder:
        assert folder is None


def test_without_any_short_folder_the_message_names_the_variable_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", os.fspath(tmp_path / ("x" * 70)))
    monkeypatch.setattr(temporary, "SHORT_FOLDERS", ("/nowhere",))
    with pytest.raises(SweepError, match=r"set RAY_TMPDIR to a folder .* at most \d\d bytes"), ray_folder():
        pass
