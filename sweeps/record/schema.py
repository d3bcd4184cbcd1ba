"""The tables of a record, and connections to them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from sweeps.words import finite

FORMAT_VERSION = 9

OLDEST_FORMAT = 8
"""Records of earlier formats are refused."""

TABLES_OF_FORMAT_9 = (
    "CREATE TABLE sweep (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE trials (
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
    best_lineage INTEGER,
    best_step INTEGER,
    step INTEGER NOT NULL DEFAULT 0,
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
    UNIQUE (stage, number)
)""",
    """CREATE TABLE reports (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    trial_id TEXT NOT NULL REFERENCES trials,
    lineage INTEGER NOT NULL DEFAULT 0,
    step INTEGER NOT NULL,
    metrics TEXT NOT NULL,
    score REAL NOT NULL,
    reported_at REAL NOT NULL,
    UNIQUE (trial_id, lineage, step)
)""",
)

TABLES = TABLES_OF_FORMAT_9
"""The tables of :data:`FORMAT_VERSION`, a statement each."""

LOCK_WAIT_S = 5.0
"""How long a connection waits for another program to release its lock."""


def connected(database: str | Path, *, uri: bool = False) -> sqlite3.Connection:
    """Open a record; bytes that are not UTF-8 are replaced, so that no text raises an error."""
    connection = sqlite3.connect(database, uri=uri, timeout=LOCK_WAIT_S)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection


def as_json(value: object) -> str:
    """Return a value as JSON; null replaces each number that is not finite."""
    return json.dumps(finite(value), allow_nan=False)


def from_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text; None replaces NaN and infinity, which format 8 wrote.

    Raises:
        ValueError: The text is not JSON.
    """
    return json.loads(text, parse_constant=lambda _: None)
