"""What happened in a sweep, durably: the one source of truth.

A sweep is the folder ``results/NAME``. Its ledger is a SQLite file with one writer, the command that runs
the sweep, and any number of readers, also while it runs. What is damaged in it is noticed, and read as far as
it is whole (:mod:`sweeps.record.seals`).
"""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import Any
from uuid import uuid4

from sweeps.record.reading import FORMAT_VERSION, damage_of, read_facts
from sweeps.record.seals import COPY, LEDGER, SCHEMA, connected, have_sealed, is_whole, set_aside
from sweeps.record.status import Mishap, Stage, Status
from sweeps.record.trial import Trial

COPY_EVERY_S = 30.0
"""From one copy of the ledger to the next, while trials end."""


class Ledger:
    """The record of one sweep, for the one process that writes it.

    Each method returns once what it wrote is on disk.

    Args:
        folder: The sweep's folder, as made by :func:`create_sweep_folder`; where it holds a ledger, that one
            is gone on with.
        spec: The sweep's whole specification, as JSON values.
        confirmation: The settings of the confirmation that is recorded, where it is not the search that is;
            the sweep's own status is then left as it is.
    """

    def __init__(
        self, folder: Path, spec: Mapping[str, Any], confirmation: Mapping[str, Any] | None = None
    ) -> None:
        self.folder = folder
        self._confirmation = None if confirmation is None else {**confirmation, "started_at": time()}
        file = folder / LEDGER
        if not file.exists() and not (folder / COPY).exists():
            facts = {"sweep_id": uuid4().hex, "started_at": time(), "status": Status.RUNNING}
            _create(file, _written_by() | facts | {"spec": dict(spec)})
        self.repaired = _repair(folder)
        self._connection = connected(file)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        have_sealed(self._connection)
        self.describe({"spec": dict(spec)})
        if confirmation is None:
            self._go_on()
        self._stand(Status.RUNNING)
        self._copied_at = -inf
        self._copy()

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Record facts of the whole sweep, each a JSON value."""
        with self._connection:
            _write_facts(self._connection, facts)

    def start(self, trial: Trial) -> None:
        """Record that a trial has started, or that it goes on."""
        now = time()
        with self._connection as transaction:
            transaction.execute(
                "INSERT INTO trials (trial_id, stage, of, number, is_baseline, params, drawn, config, status,"
                " started_at, since)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (trial_id) DO UPDATE"
                " SET status = excluded.status, ended_at = NULL, since = excluded.since,"
                " before_s = before_s - since + max(since, coalesce(ended_at,"
                " (SELECT max(reported_at) FROM reports WHERE reports.trial_id = trials.trial_id), since))",
                (
                    trial.trial_id,
                    trial.stage,
                    trial.of,
                    trial.number,
                    trial.is_baseline,
                    json.dumps(trial.params),
                    trial.drawn and json.dumps(trial.drawn),
                    json.dumps(trial.config),
                    Status.RUNNING,
                    now,
                    now,
                ),
            )

    def report(
        self,
        trial_id: str,
        step: int,
        metrics: Mapping[str, float],
        score: float,
        flags: Mapping[str, int] | None = None,
    ) -> None:
        """Record a trial's metrics and flags after some steps, and the best score of its reports so far."""
        with self._connection as transaction:
            transaction.execute(
                "INSERT INTO reports (trial_id, step, metrics, score, reported_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (trial_id, step) DO UPDATE"
                " SET metrics = excluded.metrics, score = excluded.score, reported_at = excluded.reported_at",
                (trial_id, step, json.dumps(dict(metrics)), score, time()),
            )
            transaction.execute(
                "UPDATE trials SET step = ?, flags = ? WHERE trial_id = ?",
                (step, json.dumps(dict(flags or {})), trial_id),
            )
            transaction.execute(
                "UPDATE trials SET score = ?, best_step = ?"
                " WHERE trial_id = ? AND (score IS NULL OR score <> ?)",
                (score, step, trial_id, score),
            )

    def take_over(self, trial: Trial, donor: str, step: int) -> None:
        """Record that a trial has the parameters it has now, and another one's state, from a step on."""
        with self._connection as transaction:
            transaction.execute(
                "UPDATE trials SET params = ?, config = ?,"
                " take_overs = json_insert(take_overs, '$[#]', json(?)) WHERE trial_id = ?",
                (
                    json.dumps(trial.params),
                    json.dumps(trial.config),
                    json.dumps({"trial_id": donor, "step": step, "params": trial.params, "at": time()}),
                    trial.trial_id,
                ),
            )

    def place(self, trial_id: str, place: Mapping[str, Any]) -> None:
        """Record the node that a trial runs on from now on, and its GPUs there."""
        with self._connection as transaction:
            transaction.execute(
                "UPDATE trials SET places = json_insert(places, '$[#]', json(?)) WHERE trial_id = ?",
                (json.dumps({**place, "at": time()}), trial_id),
            )

    def mishap(self, trial_id: str, kind: Mishap, reason: str) -> None:
        """Record what happened to a trial that goes on all the same."""
        with self._connection as transaction:
            transaction.execute(
                "UPDATE trials SET mishaps = json_insert(mishaps, '$[#]', json(?)) WHERE trial_id = ?",
                (json.dumps({"kind": kind, "reason": reason, "at": time()}), trial_id),
            )

    def end(
        self,
        trial_id: str,
        status: Status,
        reason: str | None = None,
        traceback: str | None = None,
        final: Mapping[str, float] | None = None,
    ) -> None:
        """Record how a trial ended: why where it failed, its final scores where it was trained to its end."""
        with self._connection as transaction:
            transaction.execute(
                "UPDATE trials SET status = ?, reason = ?, traceback = ?, final = ?, ended_at = ?"
                " WHERE trial_id = ?",
                (status, reason, traceback, final and json.dumps(dict(final)), time(), trial_id),
            )
        if monotonic() - self._copied_at > COPY_EVERY_S:
            self._copy()

    def close(self, status: Status) -> None:
        """Record how the sweep, or its confirmation, ended, and close the file; it can still be read."""
        self._stand(status, ended_at=time())
        self._copy()
        self._connection.close()

    def abandon(self) -> None:
        """Close the file without another word, as where there is no room for one."""
        self._connection.close()

    def _copy(self) -> None:
        """Write the copy again, unless what would be copied is damaged."""
        draft = self.folder / f"{COPY}.draft"
        draft.unlink(missing_ok=True)
        with closing(connected(draft)) as copy:
            self._connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            if is_whole(copy):
                draft.replace(self.folder / COPY)
        self._copied_at = monotonic()

    def _go_on(self) -> None:
        """Record since when a search runs, and how long it had run when it was last heard of."""
        facts = read_facts(self.folder)
        since = facts.get("since", facts["started_at"])
        heard_at = self._connection.execute(
            "SELECT max(ended_at), (SELECT max(reported_at) FROM reports JOIN trials USING (trial_id)"
            " WHERE stage = ?1) FROM trials WHERE stage = ?1",
            (Stage.SEARCH,),
        ).fetchone()
        ran_s = max(at for at in (*heard_at, facts.get("ended_at"), since) if at is not None) - since
        self.describe({"since": time(), "before_s": facts.get("before_s", 0.0) + ran_s, "ended_at": None})

    def _stand(self, status: Status, **when: float) -> None:
        """Record how what is recorded here stands."""
        standing = {"status": status, **when}
        if self._confirmation is not None:
            standing = {"confirmation": {**self._confirmation, **standing}}
        self.describe(standing)


def _written_by() -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, "written_by": f"gan-sweep {version('gan-sweep')}"}


def _create(file: Path, facts: Mapping[str, Any]) -> None:
    """Make the file whole before it bears its name, so that nobody reads half of it."""
    draft = file.with_name("ledger.draft")
    draft.unlink(missing_ok=True)
    with closing(connected(draft)) as connection, connection:
        connection.executescript(SCHEMA)
        have_sealed(connection)
        _write_facts(connection, facts)
    draft.replace(file)


def _write_facts(connection: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    rows = [(key, json.dumps(value)) for key, value in facts.items()]
    connection.executemany(
        "INSERT INTO sweep (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        rows,
    )


def _repair(folder: Path) -> str | None:
    """Put a damaged ledger aside, write what is left of it, and return what was done; None where it is whole.

    Raises:
        SweepError: Nothing is left of it.
    """
    salvage = damage_of(folder)
    if salvage is None:
        return None
    file = folder / LEDGER
    draft = file.with_name("ledger.draft")
    draft.unlink(missing_ok=True)
    with closing(connected(draft)) as connection, closing(salvage.connection) as left:
        left.backup(connection)
    aside = set_aside(file, "ledger.damaged.db") if file.exists() else None
    for name in (f"{LEDGER}-wal", f"{LEDGER}-shm"):
        (folder / name).unlink(missing_ok=True)
    draft.replace(file)
    kept = f" (it is kept as {aside.name})" if aside else ""
    return f"{file} was damaged{kept} and is mended; lost: {salvage.lost}"
