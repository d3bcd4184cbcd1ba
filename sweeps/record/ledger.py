"""Write the record of a sweep: the one source of what happened in it.

A sweep is the folder ``results/NAME``. Its record is a SQLite file with one writer, the command that runs the
sweep, and any number of readers, also while the sweep runs.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from time import monotonic, sleep, time
from typing import Any
from uuid import uuid4

from sweeps.record.copies import Copier
from sweeps.record.files import put_in_place
from sweeps.record.layout import COPY, LEDGER
from sweeps.record.opening import locks_named
from sweeps.record.reading import facts_in, spec_in_effect
from sweeps.record.recovery import made_writable
from sweeps.record.schema import FORMAT_VERSION, LOCK_WAIT_S, TABLES, as_json, connected
from sweeps.record.status import Mishap, Stage, Status
from sweeps.record.trial import Trial

WARM_START, FIRST_POINTS = "warm_start", "first_points"
"""The fact with the trials of an earlier sweep that this one started from."""


class Ledger:
    """The record of one sweep, for the one process that writes it.

    Each method returns once what it wrote is on disk.

    Args:
        folder: The sweep's folder, made by :func:`create_sweep_folder`. If it holds a record, that record is
            continued; one that is damaged is restored from its copy, one of an earlier format migrated.
        spec: The sweep's whole specification, as JSON values; a record that exists keeps its own.
        confirmation: The settings of the confirmation to record; None to record the search. The status of the
            sweep itself is left as it is by a confirmation.
        change: What a command changes of the sweep: ``command`` and the changed values, by key of the spec
            (``trials``); values that are in effect already are no change.
        warm_start: The trials of an earlier sweep that a new sweep starts from, as JSON values. The record
            holds them from its first moment, so that a sweep that is killed at once resumes with them.
        first_points: The points from an earlier sweep that a new sweep tries first; recorded likewise.

    Attributes:
        restored: What was damaged and restored, in words; None if the record was whole.

    Raises:
        SweepError: The record and its copy are damaged, or the record is locked or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        spec: Mapping[str, Any],
        confirmation: Mapping[str, Any] | None = None,
        change: Mapping[str, Any] | None = None,
        warm_start: Sequence[Mapping[str, Any]] = (),
        first_points: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.folder = folder
        self._confirmation = confirmation
        file = folder / LEDGER
        if not file.exists() and not (folder / COPY).exists():
            facts = {"sweep_id": uuid4().hex, "started_at": time(), "status": Status.RUNNING}
            given = {WARM_START: [*warm_start], FIRST_POINTS: [*first_points]}
            _create(file, {"format_version": FORMAT_VERSION, **facts, "spec": dict(spec), **given})
        self.restored = made_writable(folder)
        self._connection = connected(file)
        _set_journal_mode(self._connection, file, "WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._copier = Copier(folder)
        self.describe({"written_by": f"gan-sweep {version('gan-sweep')}"} | self._changes(change or {}))
        self._record_status(Status.RUNNING, **self._times())
        self._copier.copy_if_due()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing.

        Raises:
            SweepError: Another program locks the record.
        """
        with locks_named(self.folder / LEDGER), self._connection as transaction:
            yield transaction

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Record facts of the whole sweep, each a JSON value."""
        with self._transaction() as transaction:
            _write_facts(transaction, facts)

    def start(self, trial: Trial) -> None:
        """Record that a trial has started or resumed."""
        now = time()
        with self._transaction() as transaction:
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
                    as_json(trial.params),
                    trial.drawn and as_json(trial.drawn),
                    as_json(trial.config),
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
        """Record a trial's metrics and flags after some steps, and the best score of its reports so far.

        A report that the trial made before at this step, since its last take-over, is replaced.

        Raises:
            ValueError: The score is not finite.
        """
        if not isfinite(score):
            raise ValueError(
                f"the score of {trial_id} at step {step} is {score}: a trial without one has diverged"
            )
        with self._transaction() as transaction:
            query = "SELECT json_array_length(take_overs) FROM trials WHERE trial_id = ?"
            (lineage,) = transaction.execute(query, (trial_id,)).fetchone()
            transaction.execute(
                "INSERT OR REPLACE INTO reports (trial_id, lineage, step, metrics, score, reported_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (trial_id, lineage, step, as_json(metrics), score, time()),
            )
            transaction.execute(
                "UPDATE trials SET step = ?, flags = ? WHERE trial_id = ?",
                (step, as_json(flags or {}), trial_id),
            )
            transaction.execute(
                "UPDATE trials SET score = ?, best_lineage = ?, best_step = ?"
                " WHERE trial_id = ? AND (score IS NULL OR score <> ? OR best_lineage <> ?)",
                (score, lineage, step, trial_id, score, lineage),
            )
        self._copier.copy_if_due()

    def take_over(self, trial: Trial, donor: str, step: int) -> None:
        """Record that a trial took over a donor's state at a step, and its parameters from then on."""
        with self._transaction() as transaction:
            transaction.execute(
                "UPDATE trials SET params = ?, config = ?,"
                " take_overs = json_insert(take_overs, '$[#]', json(?)) WHERE trial_id = ?",
                (
                    as_json(trial.params),
                    as_json(trial.config),
                    as_json({"trial_id": donor, "step": step, "params": trial.params, "at": time()}),
                    trial.trial_id,
                ),
            )

    def place(self, trial_id: str, place: Mapping[str, Any]) -> None:
        """Record the node that a trial runs on now, its GPUs there and the version of its training rules."""
        with self._transaction() as transaction:
            transaction.execute(
                "UPDATE trials SET places = json_insert(places, '$[#]', json(?)) WHERE trial_id = ?",
                (as_json({**place, "at": time()}), trial_id),
            )

    def mishap(self, trial_id: str, kind: Mishap, reason: str) -> None:
        """Record a fault that a trial survived."""
        with self._transaction() as transaction:
            transaction.execute(
                "UPDATE trials SET mishaps = json_insert(mishaps, '$[#]', json(?)) WHERE trial_id = ?",
                (as_json({"kind": kind, "reason": reason, "at": time()}), trial_id),
            )

    def end(
        self,
        trial_id: str,
        status: Status,
        reason: str | None = None,
        traceback: str | None = None,
        final: Mapping[str, float] | None = None,
    ) -> None:
        """Record how a trial ended: the reason if it failed, its final scores if it completed."""
        with self._transaction() as transaction:
            transaction.execute(
                "UPDATE trials SET status = ?, reason = ?, traceback = ?, final = ?, ended_at = ?"
                " WHERE trial_id = ?",
                (status, reason, traceback, final and as_json(final), time(), trial_id),
            )
        self._copier.copy_if_due()

    def close(self, status: Status) -> None:
        """Record how the sweep, or its confirmation, ended, and close the file.

        The file then needs no other beside it, so that read-only media can be read.
        """
        self._record_status(status, ended_at=time())
        self._copier.close()
        _set_journal_mode(self._connection, self.folder / LEDGER, "DELETE")
        self._connection.close()

    def abandon(self) -> None:
        """Close the file as it is, for example after its disk ran full."""
        self._copier.join()
        self._connection.close()

    def _changes(self, change: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fact that records a command's change; no fact if the command changed nothing."""
        facts = facts_in(self._connection)
        in_effect = spec_in_effect(facts)
        new = {key: value for key, value in change.items() if key not in in_effect or in_effect[key] != value}
        if not new.keys() - {"command"}:
            return {}
        return {"changes": [*facts.get("changes", []), {"at": time(), **new}]}

    def _times(self) -> dict[str, float | None]:
        """Return when the stage first began, when it runs again since, and its running time before that."""
        facts, now = facts_in(self._connection), time()
        stage, earlier = Stage.SEARCH, facts
        if self._confirmation is not None:
            stage, earlier = Stage.CONFIRM, facts.get("confirmation") or {"started_at": now}
        since = earlier.get("since", earlier["started_at"])
        last_at = self._connection.execute(
            "SELECT max(ended_at), (SELECT max(reported_at) FROM reports JOIN trials USING (trial_id)"
            " WHERE stage = ?1) FROM trials WHERE stage = ?1",
            (stage,),
        ).fetchone()
        ran_s = max(at for at in (*last_at, earlier.get("ended_at"), since) if at is not None) - since
        return {
            "started_at": earlier["started_at"],
            "since": now,
            "before_s": earlier.get("before_s", 0.0) + ran_s,
            "ended_at": None,
        }

    def _record_status(self, status: Status, **times: float | None) -> None:
        """Record the status and the times of the search or of the confirmation, whichever runs."""
        facts: dict[str, Any] = {"status": status, **times}
        if self._confirmation is not None:
            self._confirmation = {**self._confirmation, **facts}
            facts = {"confirmation": self._confirmation}
        self.describe(facts)


def _set_journal_mode(connection: sqlite3.Connection, file: Path, mode: str) -> None:
    """Enter or leave write-ahead logging; readers are waited for.

    Raises:
        SweepError: A reader does not end, and the mode to enter is WAL.
    """
    deadline = monotonic() + LOCK_WAIT_S
    while True:
        try:
            connection.execute(f"PRAGMA journal_mode = {mode}")
        except sqlite3.OperationalError:
            if monotonic() < deadline:
                sleep(0.05)
                continue
            if mode == "WAL":
                with locks_named(file):
                    raise
        return


def _create(file: Path, facts: Mapping[str, Any]) -> None:
    """Make the record under another name first, so that nobody reads half of it."""
    draft = file.with_name("ledger.draft")
    draft.unlink(missing_ok=True)
    with closing(connected(draft)) as connection, connection:
        for statement in TABLES:
            connection.execute(statement)
        _write_facts(connection, facts)
    put_in_place(draft, file)


def _write_facts(connection: sqlite3.Connection, facts: Mapping[str, Any]) -> None:
    rows = [(key, as_json(value)) for key, value in facts.items()]
    connection.executemany(
        "INSERT INTO sweep (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        rows,
    )
