import errno
import shutil
import sqlite3
from tempfile import gettempdir
from types import SimpleNamespace

import pytest

from sweeps.driver.disk import bytes_needed, check_room, disk_full_as_error, disk_full_error, is_full
from sweeps.errors import DiskFullError
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write


def raised_from(cause):
    error = RuntimeError("the sweep ended")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (raised_from(OSError(errno.ENOSPC, "No space left on device")), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (sqlite3.OperationalError("no such table: trials"), False),
        (None, False),
    ],
)
def test_a_full_disk_is_distinguished_from_other_errors(error, expected):
    assert is_full(error) is expected


def test_a_sweep_without_room_is_refused_with_the_folder_and_the_size(tmp_path):
    check_room(tmp_path / "results", 1e6)
    with pytest.raises(
        DiskFullError, match=r"results: the sweep needs about 1,000,000,000,000 MB, and the disk of .* left"
    ):
        check_room(tmp_path / "results", 1e18)


def test_a_full_disk_is_an_error_that_says_what_to_type(tmp_path):
    what_to_type = r"the disk is full\. .* make room, then type gan-sweep resume"
    with pytest.raises(DiskFullError, match=what_to_type), disk_full_as_error(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(KeyError), disk_full_as_error(tmp_path):
        raise KeyError("other")


def test_if_the_disk_of_temporary_files_is_full_the_error_names_it(tmp_path, monkeypatch):
    free = {str(tmp_path): 10**12, gettempdir(): 10**6}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free[str(place)]))
    assert str(disk_full_error(tmp_path)).startswith(f"{gettempdir()}: the disk is full. It has 1 MB left")
    free[gettempdir()] = 10**11
    assert str(disk_full_error(tmp_path)).startswith(
        f"{tmp_path}: the disk is full. It has 1,000,000 MB left"
    )


def test_more_trials_and_more_at_once_need_more(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    assert bytes_needed(spec, 3, 1) < bytes_needed(spec, 3, 2) < bytes_needed(spec, 30, 2)
