"""Rows of a ledger that tell whether they are as they were written, and what is left where some are not.

Each row ends with a seal, the CRC-32 of its other values. The ledger counts its trials, and each trial its
reports, so that rows that vanish with a page of the file are missed. Beside the ledger lies a copy of it,
some seconds older: what is damaged in the one is taken from the other, row by row.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import Any
from zlib import crc32

LEDGER, COPY = "ledger.db", "ledger.copy.db"

SCHEMA = """
CREATE TABLE sweep (key TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL DEFAULT 0);
CREATE TABLE trials (
    trial_id TEXT PRIMARY KEY,
    stage TEXT NOT NULL,
    of TEXT REFERENCES trials,
    number INTEGER NOT NULL,
    is_baseline INTEGER NOT NULL,
    params TEXT NOT NULL,
    drawn TEXT,
    config TEXT NOT NULL,
    status TEXT NOT NULL,
    score REAL,
    best_step INTEGER,
    step INTEGER NOT NULL DEFAULT 0,
    n_reports INTEGER NOT NULL DEFAULT 0,
    flags TEXT NOT NULL DEFAULT '{}',
    take_overs TEXT NOT NULL DEFAULT '[]',
    places TEXT NOT NULL DEFAULT '[]',
    mishaps TEXT NOT NULL DEFAULT '[]',
    final TEXT,
    started_at REAL NOT NULL,
    since REAL NOT NULL DEFAULT 0,
    before_s REAL NOT NULL DEFAULT 0,
    ended_at REAL,
    reason TEXT,
    traceback TEXT,
    seal INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stage, number)
);
CREATE TABLE reports (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    trial_id TEXT NOT NULL REFERENCES trials,
    step INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    score REAL NOT NULL,
    reported_at REAL NOT NULL,
    seal INTEGER NOT NULL DEFAULT 0,
    UNIQUE (trial_id, step)
);
"""

N_TRIALS = "n_trials"
"""The fact that counts the trials."""

ESSENTIAL = ("format_version", "sweep_id", "started_at", "status", "spec")
"""The facts without which a sweep is none."""

MOST_NAMED = 6

DAMAGE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What is raised where a file is no database any more, or its own text is none."""

ROWS_AT_A_GAP = 10_000
"""As many rows in a row that are not there are taken for a table's end."""


KEYS = {"sweep": ("key",), "trials": ("trial_id",), "reports": ("trial_id", "step")}


def _columns() -> dict[str, list[str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return {
            table: [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "seal"]
            for table in KEYS
        }


COLUMNS = _columns()


def _seal(*values: object) -> int:
    return crc32(repr(values).encode())


def connected(database: str | Path, *, uri: bool = False) -> sqlite3.Connection:
    """Open a ledger for seals to be checked; damaged text is text all the same."""
    connection = sqlite3.connect(database, uri=uri)
    connection.create_function("seal_of", -1, _seal, deterministic=True)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def _expected(table: str, name: str | None = None) -> str:
    """Return the seal, in SQL, of a table's rows, where a query calls it by another name."""
    return f"seal_of({', '.join(f'{name or table}.{column}' for column in COLUMNS[table])})"


def have_sealed(connection: sqlite3.Connection) -> None:
    """Have all that a connection writes from now on sealed and counted."""
    for table, columns in COLUMNS.items():
        sealed = f"UPDATE {table} SET seal = {_expected(table)} WHERE rowid = NEW.rowid;"
        connection.executescript(
            f"CREATE TEMP TRIGGER insert_{table} AFTER INSERT ON {table} BEGIN {sealed} END;"
            f"CREATE TEMP TRIGGER update_{table} AFTER UPDATE OF {', '.join(columns)} ON {table}"
            f" BEGIN {sealed} END;"
        )
    connection.executescript(
        "CREATE TEMP TRIGGER count_trials AFTER INSERT ON trials BEGIN"
        f" INSERT INTO sweep (key, value) VALUES ('{N_TRIALS}', (SELECT count(*) FROM trials))"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value; END;"
        "CREATE TEMP TRIGGER count_reports AFTER INSERT ON reports BEGIN"
        " UPDATE trials SET n_reports = (SELECT count(*) FROM reports WHERE trial_id = NEW.trial_id)"
        " WHERE trial_id = NEW.trial_id; END;"
    )


def is_whole(connection: sqlite3.Connection) -> bool:
    """Return whether every row of a ledger is there, and as it was written."""
    try:
        if connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            return False
        damaged = any(_has_damaged_rows(connection, table) for table in KEYS)
        n_trials, n_reports = connection.execute("SELECT count(*), sum(n_reports) FROM trials").fetchone()
        counted = connection.execute("SELECT count(*) FROM reports").fetchone()[0]
        facts = _facts(connection)
    except DAMAGE:
        return False
    is_complete = facts.get(N_TRIALS, "0") == str(n_trials) and (n_reports or 0) == counted
    return is_complete and set(ESSENTIAL) <= facts.keys() and not damaged


def has_whole_facts(connection: sqlite3.Connection) -> bool:
    """Return whether the facts of a ledger are as they were written; in far less time."""
    try:
        return set(ESSENTIAL) <= _facts(connection).keys() and not _has_damaged_rows(connection, "sweep")
    except DAMAGE:
        return False


def has_whole_trials(connection: sqlite3.Connection) -> bool:
    """Return whether the facts, all trials and their best reports are as they were written."""
    query = (
        "SELECT count(*) FROM trials CROSS JOIN reports AS best"
        " ON best.trial_id = trials.trial_id AND best.step = best_step"
        f" WHERE best.seal <> {_expected('reports', 'best')}"
    )
    try:
        n_damaged = connection.execute(query).fetchone()[0]
        counted = connection.execute("SELECT count(*) FROM trials").fetchone()[0]
        is_complete = _facts(connection).get(N_TRIALS, "0") == str(counted)
        return (
            is_complete
            and not n_damaged
            and has_whole_facts(connection)
            and not _has_damaged_rows(connection, "trials")
        )
    except DAMAGE:
        return False


def _facts(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM sweep").fetchall())


def _has_damaged_rows(connection: sqlite3.Connection, table: str) -> bool:
    query = f"SELECT count(*) FROM {table} WHERE seal <> {_expected(table)}"
    return bool(connection.execute(query).fetchone()[0])


@dataclass(frozen=True)
class Salvage:
    """What is left of a damaged ledger.

    Args:
        connection: To a ledger in memory, which is whole.
        lost: What was lost, in words.
    """

    connection: sqlite3.Connection
    lost: str


_Rows = dict[tuple[Any, ...], sqlite3.Row]


def salvaged(folder: Path) -> Salvage | None:
    """Return what is left of the ledger in a folder and of its copy; None where that is no sweep."""
    newest, older = (
        {table: dict(_whole_rows(folder / file, table)) for table in KEYS} for file in (LEDGER, COPY)
    )
    rows = {table: older[table] | newest[table] for table in KEYS}
    if not {(key,) for key in ESSENTIAL} <= rows["sweep"].keys():
        return None
    rows["reports"] = {key: row for key, row in rows["reports"].items() if key[:1] in rows["trials"]}
    of_the_copy = [str(key[0]) for key in rows["trials"] if key not in newest["trials"]]
    lost = "; ".join(_lost(rows, of_the_copy))
    rows["sweep"].pop((N_TRIALS,), None)
    connection = connected(":memory:")
    connection.executescript(SCHEMA)
    have_sealed(connection)
    with connection:
        for table, columns in COLUMNS.items():
            marks = ", ".join("?" * len(columns))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
                sorted((tuple(row)[: len(columns)] for row in rows[table].values()), key=itemgetter(0)),
            )
        connection.execute(
            "UPDATE trials SET n_reports ="
            " (SELECT count(*) FROM reports WHERE reports.trial_id = trials.trial_id)"
        )
    return Salvage(connection, lost or "nothing that its copy does not have")


def _lost(rows: dict[str, _Rows], of_the_copy: list[str]) -> Iterator[str]:
    """Say what is neither in the ledger nor in its copy, and what only the copy has."""
    counted = rows["sweep"].get((N_TRIALS,))
    n_trials = int(counted["value"]) if counted else 0
    if len(rows["trials"]) < n_trials:
        yield f"{n_trials - len(rows['trials'])} of {n_trials} trials"
    there = Counter(trial_id for trial_id, _ in rows["reports"])
    for row in rows["trials"].values():
        n_lost = row["n_reports"] - there[row["trial_id"]]
        if n_lost > 0:
            yield f"{n_lost} reports of {row['trial_id']}"
    if of_the_copy:
        names = (
            ", ".join(sorted(of_the_copy)) if len(of_the_copy) < MOST_NAMED else f"{len(of_the_copy)} trials"
        )
        yield f"what was recorded since the last copy of {names}"


def _whole_rows(file: Path, table: str) -> Iterator[tuple[tuple[Any, ...], sqlite3.Row]]:
    """Yield the rows of a table that can be read and are whole, by their keys."""
    if not file.exists():
        return
    with closing(connected(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for row in _readable_rows(connection, table):
            values = tuple(row)
            if values[-1] == _seal(*values[:-1]):
                yield tuple(row[key] for key in KEYS[table]), row


def _readable_rows(connection: sqlite3.Connection, table: str) -> Iterator[sqlite3.Row]:
    """Yield rows one by one, as a damaged page takes those with it that lie on it, and no others."""
    query = f"SELECT {', '.join(COLUMNS[table])}, seal FROM {table} WHERE rowid = ?"
    n_absent, rowid, last = 0, 0, None
    with suppress(*DAMAGE):
        last = connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] or 0
    while n_absent < ROWS_AT_A_GAP if last is None else rowid < last:
        rowid += 1
        found = None
        with suppress(*DAMAGE):
            found = connection.execute(query, (rowid,)).fetchone()
        n_absent = 0 if found else n_absent + 1
        if found:
            yield found


def set_aside(file: Path, stem: str) -> Path:
    """Rename a damaged file, under the next free name that begins with ``stem``, and return that one."""
    names = (file.with_name(f"{stem}{'' if number == 1 else f'-{number}'}") for number in count(1))
    aside = next(name for name in names if not name.exists())
    return file.rename(aside)
