import errno
import shutil
import sqlite3
from tempfile import gettempdir
from types import SimpleNamespace

import pytest

from sweeps.driver.disk import bytes_needed, check_room, full, is_full, told_when_full
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
def test_a_full_disk_is_told_from_other_errors(error, expected):
    assert is_full(error) is expected


def test_what_finds_no_room_is_refused_with_the_place_and_what_is_needed(tmp_path):
    check_room(tmp_path / "results", 1e6)
    with pytest.raises(
        DiskFullError, match=r"results: the sweep needs about 1,000,000,000,000 MB, and .* free"
    ):
        check_room(tmp_path / "results", 1e18)


def test_a_full_disk_is_told_with_what_to_type(tmp_path):
    what_to_type = r"its disk is full, .* make room, then type gan-sweep resume"
    with pytest.raises(DiskFullError, match=what_to_type), told_when_full(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(KeyError), told_when_full(tmp_path):
        raise KeyError("other")


def test_where_the_temporary_folders_disk_is_the_full_one_it_is_named(tmp_path, monkeypatch):
    free = {str(tmp_path): 10**12, gettempdir(): 10**6}
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=free[str(place)]))
    assert str(full(tmp_path)).startswith(f"{gettempdir()}: its disk is full, 1 MB are free")
    free[gettempdir()] = 10**11
    assert str(full(tmp_path)).startswith(f"{tmp_path}: its disk is full, 1,000,000 MB are free")


def test_more_trials_and_more_at_once_need_more(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    assert bytes_needed(spec, 3, 1) < bytes_needed(spec, 3, 2) < bytes_needed(spec, 30, 2)
