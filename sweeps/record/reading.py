"""Read the record of a sweep."""

import re
import sqlite3
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from gan_core.errors import allowed_and_closest
from sweeps.errors import DamagedLedgerWarning, DamagedRecordError, SweepError, UnknownSweepError
from sweeps.record.layout import COPY, LEDGER, sweep_names
from sweeps.record.locks import is_run
from sweeps.record.opening import opened
from sweeps.record.schema import from_json
from sweeps.record.status import Stage, Status

_Read = TypeVar("_Read")

_OF_A_RUN = ("since", "status", "changes", "confirmation")
"""The facts that each run of a sweep changes."""

_ESSENTIAL = ("sweep_id", "started_at", "status", "spec")


@dataclass(frozen=True)
class Record:
    """The content of a record, read at one moment.

    Args:
        folder: The sweep's folder.
        facts: Facts of the whole sweep: ``spec``, ``floors``, ``extractor`` and others.
        trials: A row a trial of the search, in the order of suggestions, with the metrics of its best report.
        replicas: A row a trial of the confirmation, likewise.
    """

    folder: Path
    facts: dict[str, Any]
    trials: list[dict[str, Any]]
    replicas: list[dict[str, Any]]

    def of_stage(self, stage: Stage) -> list[dict[str, Any]]:
        """Return the trials of a stage."""
        return self.trials if stage is Stage.SEARCH else self.replicas

    def interrupted_if_killed(self) -> "Record":
        """Return the record, with the sweep and its running trials interrupted if its process was killed."""
        if overall_status(self.facts) is not Status.RUNNING or is_run(self.folder):
            return self
        confirmation = self.facts.get("confirmation")
        facts = _interrupted(self.facts) | (
            {"confirmation": _interrupted(confirmation)} if confirmation else {}
        )
        stages = ([_interrupted(row) for row in rows] for rows in (self.trials, self.replicas))
        return Record(self.folder, facts, *stages)


def _interrupted(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "status": Status.INTERRUPTED if row["status"] == Status.RUNNING else row["status"]}


SELECT_TRIALS = """
SELECT trials.*, reports.metrics AS best_metrics FROM trials
LEFT JOIN reports ON reports.trial_id = trials.trial_id
    AND reports.lineage = best_lineage AND reports.step = best_step
"""
_JSON_COLUMNS = (
    "params",
    "drawn",
    "config",
    "flags",
    "take_overs",
    "places",
    "mishaps",
    "final",
    "best_metrics",
)


def sweep_folder(name: str, results: Path) -> Path:
    """Return the folder of the sweep ``name`` in ``results``.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    names = sweep_names(results)
    if name not in names:
        known = allowed_and_closest(name, names) if names else "there are no sweeps yet"
        raise UnknownSweepError(f"no sweep {name!r} in {results}; {known}")
    return results / name


def newest_sweep(results: Path) -> str:
    """Return the name of the sweep in ``results`` that began last.

    Raises:
        UnknownSweepError: There is no sweep that can be read.
    """
    began: dict[str, float] = {}
    for name in sweep_names(results):
        with suppress(SweepError):
            began[name] = read_facts(results / name)["started_at"]
    if not began:
        raise UnknownSweepError(f"there are no sweeps in {results}")
    return max(began, key=lambda name: began[name])


def read_ledger(name: str, results: Path) -> Record:
    """Read the record of the sweep ``name`` in ``results``.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: The record cannot be read, or its format is not known.
    """
    folder = sweep_folder(name, results)
    facts, trials = _read(folder, lambda connection: (facts_in(connection), trials_in(connection)))
    by_stage = {stage: [row for row in trials if row["stage"] == stage] for stage in Stage}
    return Record(folder, facts, by_stage[Stage.SEARCH], by_stage[Stage.CONFIRM])


def check_unchanged(record: Record) -> None:
    """Check that no other process has run a sweep since its record was read.

    Raises:
        SweepError: One has. What was planned from the record would train trials again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedLedgerWarning)
        now = read_ledger(record.folder.name, record.folder.parent)
    facts = [{name: each.facts.get(name) for name in _OF_A_RUN} for each in (record, now)]
    if facts[0] != facts[1] or (record.trials, record.replicas) != (now.trials, now.replicas):
        name = record.folder.name
        raise SweepError(f"another process has run {name} since this command read its record: type it again")


def read_facts(folder: Path) -> dict[str, Any]:
    """Read the facts of the sweep in a folder.

    Raises:
        SweepError: The record cannot be read, or its format is not known.
    """
    return _read(folder, facts_in)


def _read(folder: Path, read: Callable[[sqlite3.Connection], _Read]) -> _Read:
    """Return what ``read`` reads of a record, or of its copy, with a warning, if the record is damaged.

    Raises:
        SweepError: Both are damaged, or the record is locked, cannot be read, or its format is not known.
    """
    try:
        with opened(folder / LEDGER) as connection:
            return read(connection)
    except DamagedRecordError as error:
        damage = error
    try:
        with opened(folder / COPY) as connection:
            found = read(connection)
    except DamagedRecordError:
        raise lost(folder, damage) from None
    at = datetime.fromtimestamp((folder / COPY).stat().st_mtime, tz=UTC)
    warnings.warn(
        f"{damage}; what is shown is the copy of {at:%Y-%m-%d %H:%M:%S} UTC",
        DamagedLedgerWarning,
        stacklevel=1,
    )
    return found


def lost(folder: Path, damage: DamagedRecordError) -> SweepError:
    """Return the error of a sweep whose record and copy are both damaged."""
    return SweepError(
        f"{damage.file} is damaged ({damage.problem}), and its copy {COPY} is damaged or missing: the"
        f" sweep {folder.name} cannot be read; move {folder} away to run it again"
    )


def facts_in(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the facts of the whole sweep.

    Raises:
        ValueError: One that every sweep has is missing, or is not JSON.
    """
    facts = {key: from_json(value) for key, value in connection.execute("SELECT key, value FROM sweep")}
    missing = [name for name in _ESSENTIAL if name not in facts]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    return facts


def trials_in(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return a row a trial of both stages, each with the metrics of its best report.

    Raises:
        ValueError: A value is not what a sweep writes.
    """
    return parsed_rows(connection.execute(f"{SELECT_TRIALS} ORDER BY number"))


def reports_in(connection: sqlite3.Connection, stage: Stage = Stage.SEARCH) -> list[dict[str, Any]]:
    """Return a row a report of a stage: ``trial_id``, ``step``, ``lineage`` and the metrics.

    The rows are in the order of trials, then of lineages, then of steps.

    Raises:
        ValueError: A value is not what a sweep writes.
    """
    query = (
        "SELECT trial_id, reports.step, lineage, metrics FROM reports JOIN trials USING (trial_id)"
        " WHERE stage = ? ORDER BY number, lineage, reports.step"
    )
    return [
        {"trial_id": trial_id, "step": step, "lineage": lineage, **from_json(metrics)}
        for trial_id, step, lineage, metrics in connection.execute(query, (stage,))
    ]


def read_reports(folder: Path, stage: Stage = Stage.SEARCH) -> list[dict[str, Any]]:
    """Read every report of a stage, as :func:`reports_in` returns them.

    Raises:
        SweepError: The record cannot be read.
    """
    return _read(folder, lambda connection: reports_in(connection, stage))


def run_key(facts: Mapping[str, Any]) -> str:
    """Return the key of a sweep's MLflow runs, a new one after a copy has restored the record."""
    generation = facts.get("generation", 0)
    return f"{facts['sweep_id']}-{generation}" if generation else str(facts["sweep_id"])


def spec_in_effect(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the spec that a sweep began with, with the changes of later commands."""
    spec = dict(facts["spec"])
    for change in facts.get("changes", []):
        spec |= {key: value for key, value in change.items() if key in spec}
    return spec


def overall_status(facts: Mapping[str, Any]) -> Status:
    """Return the status of a sweep and its confirmation together."""
    statuses = [facts["status"], facts.get("confirmation", {}).get("status", Status.COMPLETED)]
    return next((s for s in (Status.RUNNING, Status.INTERRUPTED) if s in statuses), Status.COMPLETED)


def parsed_rows(found: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return rows of trials with their JSON parsed, a column at a time, which is faster than cell by cell.

    Raises:
        ValueError: A value is not what a sweep writes.
    """
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found]
    for row in rows:
        if not re.fullmatch(_TRIAL_ID, row["trial_id"]):
            raise ValueError(f"{row['trial_id']!r} is not a trial's name")
        row["status"] = Status(row["status"])
    for column in _JSON_COLUMNS:
        texts = ",".join(row[column] or "null" for row in rows)
        for row, value in zip(rows, from_json(f"[{texts}]"), strict=True):
            row[column] = value
    return rows


_TRIAL_ID = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Files are named after trials."""
