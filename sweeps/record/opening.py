"""Open a record for reading, and name what keeps it from being read."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sweeps.errors import DamagedRecordError, SweepError
from sweeps.record.migrations import migrate
from sweeps.record.schema import FORMAT_VERSION, OLDEST_FORMAT, connected, from_json

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_UNREADABLE_WAL = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


@contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a record at one moment of it; a record of an earlier format is converted in memory.

    Raises:
        DamagedRecordError: The record is damaged or missing.
        SweepError: Another program locks it, its permissions forbid to read it, or its format is not known.
    """
    with faults_named(file), ExitStack() as resources:
        connection = resources.enter_context(_readable(file))
        connection.execute("BEGIN")
        converted = _converted(file, connection)
        connection = resources.enter_context(closing(converted)) if converted else connection
        connection.row_factory = sqlite3.Row
        yield connection


def converted(file: Path) -> sqlite3.Connection | None:
    """Return a record of an earlier format in the current one, in memory; None for a record of the current.

    Raises:
        SweepError: As :func:`opened` does.
    """
    with faults_named(file), _readable(file) as connection:
        return _converted(file, connection)


def _converted(file: Path, connection: sqlite3.Connection) -> sqlite3.Connection | None:
    version = checked_format(file, connection)
    if version == FORMAT_VERSION:
        return None
    in_memory = connected(":memory:")
    connection.backup(in_memory)
    migrate(in_memory, version)
    in_memory.row_factory = sqlite3.Row
    return in_memory


@contextmanager
def _readable(file: Path) -> Iterator[sqlite3.Connection]:
    """Open a record read-only.

    A write-ahead log needs an index beside it, which a reader without write permission cannot make: such a
    reader opens a temporary copy of both files.
    """
    if not file.exists():
        raise DamagedRecordError(file, "it is missing")
    if not os.access(file, os.R_OK):
        raise SweepError(f"{file} cannot be read: its permissions forbid it; ask its owner to share it")
    with closing(connected(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        if _is_readable(connection):
            yield connection
            return
    with TemporaryDirectory(prefix="gan-sweep-") as folder:
        copy = Path(shutil.copyfile(file, Path(folder) / file.name))
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}-wal", f"{copy}-wal")
        with closing(connected(copy)) as connection:
            yield connection


def _is_readable(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        if _code(error) not in _UNREADABLE_WAL:
            raise
        return False
    return True


@contextmanager
def faults_named(file: Path) -> Iterator[None]:
    """Raise errors that name a record, and what to do about it, in place of SQLite's.

    A value that is not what the record holds there, for example text that is not JSON, is damage too.

    Raises:
        DamagedRecordError: The record is damaged.
        SweepError: It is locked, or cannot be read.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _fault(file, error) from error
    except ValueError as error:
        if isinstance(error, SweepError):
            raise
        raise DamagedRecordError(file, str(error)) from error


@contextmanager
def locks_named(file: Path) -> Iterator[None]:
    """Raise a SweepError for a writer that another program locks out; leave other errors as they are.

    Raises:
        SweepError: Another program locks the record.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if _code(error) not in _LOCKED:
            raise
        raise _locked(file, f"gan-sweep resume {file.parent.name}") from error


def _code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary code of an error; None for an error of Python's own."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _fault(file: Path, error: sqlite3.Error) -> SweepError:
    code = _code(error)
    if code in _LOCKED:
        return _locked(file, "the command again")
    if code in _DAMAGED or getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_SHORT_READ:
        return DamagedRecordError(file, str(error))
    return SweepError(f"{file} cannot be read or written: {error}")


def _locked(file: Path, command: str) -> SweepError:
    return SweepError(
        f"{file} is locked by {_holders(file) or 'another program'}: close that program, for example a"
        f" database browser or a backup, then type {command}"
    )


def _holders(file: Path) -> str:
    """Return the names and numbers of the processes that lock a database; '' if Linux lists none."""
    names = []
    with suppress(OSError):
        paths = (file.with_name(f"{file.name}{end}") for end in ("", "-shm"))
        inodes = {path.stat().st_ino for path in paths if path.exists()}
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():
            process, inode = line.replace("-> ", "").split()[4:6]
            if int(inode.rpartition(":")[2]) in inodes and process not in {"-1", str(os.getpid())}:
                name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
                names.append(f"{name} (process {process})")
    return " and ".join(dict.fromkeys(names))


def checked_format(file: Path, connection: sqlite3.Connection) -> int:
    """Return the format of a record.

    Raises:
        ValueError: The record does not say.
        SweepError: This version does not read the format.
    """
    query = "SELECT key, value FROM sweep WHERE key IN ('format_version', 'written_by')"
    stated = {row[0]: from_json(row[1]) for row in connection.execute(query)}
    version = stated.get("format_version")
    if not isinstance(version, int):
        raise ValueError("it has no format_version")  # noqa: TRY004 - a value of a file
    if OLDEST_FORMAT <= version <= FORMAT_VERSION:
        return version
    if version > FORMAT_VERSION:
        what, remedy = "a newer gan-sweep", "update gan-sweep to read it"
    else:
        what, remedy = "an older gan-sweep", "read it with that one, or run the sweep again"
    raise SweepError(
        f"{file.parent} was written by {what} ({stated.get('written_by', 'gan-sweep')}, format {version};"
        f" this one reads {OLDEST_FORMAT} to {FORMAT_VERSION}): {remedy}"
    )
