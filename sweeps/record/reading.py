"""Read the record of a sweep."""

import json
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_core.errors import allowed_and_closest
from sweeps.errors import DamagedLedgerWarning, SweepError, UnknownSweepError
from sweeps.record.layout import sweep_names
from sweeps.record.locks import is_run
from sweeps.record.seals import (
    COPY,
    DAMAGE,
    LEDGER,
    N_TRIALS,
    Salvage,
    connected,
    has_whole_facts,
    has_whole_trials,
    is_whole,
    salvaged,
)
from sweeps.record.status import Stage, Status

FORMAT_VERSION = 8


def damage_of(folder: Path, is_sound: Callable[[sqlite3.Connection], bool] = is_whole) -> Salvage | None:
    """Return what is left of a ledger where it is damaged; None where it is whole, as ``is_sound`` says.

    Raises:
        SweepError: Nothing is left of it, or it was written by another version.
    """
    file = folder / LEDGER
    if file.exists() and not os.access(file, os.R_OK):
        raise SweepError(f"{file} cannot be read: it is not yours, and its permissions do not let you")
    with suppress(*DAMAGE), closing(open_read_only(folder)) as connection:
        connection.execute("BEGIN")
        _check_version(folder, connection)
        if is_sound(connection):
            return None
    salvage = salvaged(folder)
    if salvage is None:
        raise SweepError(
            f"{file} is damaged or no ledger, and so is its copy {COPY}: the sweep {folder.name} cannot be"
            f" read; move {folder} away to run it again"
        )
    return salvage


@dataclass(frozen=True)
class Record:
    """What a ledger holds, read at one moment.

    Args:
        folder: The sweep's folder.
        facts: Of the whole sweep: ``spec``, ``floors``, ``extractor`` and others.
        trials: A row a trial of the search, in the order of suggestions, with the metrics of its best report.
        replicas: The same of the confirmation's trials.
    """

    folder: Path
    facts: dict[str, Any]
    trials: list[dict[str, Any]]
    replicas: list[dict[str, Any]]

    def of_stage(self, stage: Stage) -> list[dict[str, Any]]:
        """Return the trials of a stage."""
        return self.trials if stage is Stage.SEARCH else self.replicas

    def as_it_stands(self) -> "Record":
        """Return what holds where the process that wrote it was killed: what it ran was interrupted."""
        if standing(self.facts) is not Status.RUNNING or is_run(self.folder):
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
LEFT JOIN reports ON reports.trial_id = trials.trial_id AND reports.step = best_step
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


def read_ledger(name: str, results: Path) -> Record:
    """Read the ledger of the sweep ``name`` in ``results``.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: Another version wrote it, or it is damaged.
    """
    folder = sweep_folder(name, results)
    with _readable(folder, has_whole_trials) as connection:
        facts = _facts(connection)
        trials = parsed_rows(connection.execute(f"{SELECT_TRIALS} ORDER BY number"))
    by_stage = {stage: [row for row in trials if row["stage"] == stage] for stage in Stage}
    return Record(folder, facts, by_stage[Stage.SEARCH], by_stage[Stage.CONFIRM])


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


def read_facts(folder: Path) -> dict[str, Any]:
    """Read the facts of the sweep in a folder.

    Raises:
        SweepError: Another version wrote it, or it is damaged.
    """
    with _readable(folder, has_whole_facts) as connection:
        return _facts(connection)


def check_whole(folder: Path) -> None:
    """Check that a ledger can be passed on.

    Raises:
        SweepError: It is damaged, or another version wrote it.
    """
    salvage = damage_of(folder)
    if salvage is not None:
        salvage.connection.close()
        raise SweepError(_damaged(folder, salvage))


def _damaged(folder: Path, salvage: Salvage) -> str:
    return f"{folder / LEDGER} is damaged: gan-sweep resume {folder.name} mends it; lost: {salvage.lost}"


@contextmanager
def _readable(
    folder: Path, is_sound: Callable[[sqlite3.Connection], bool] = is_whole
) -> Iterator[sqlite3.Connection]:
    """Open a ledger at one moment of it or, where it is damaged, what is left of it, which is warned of.

    Raises:
        SweepError: Nothing is left of it, or it was written by another version.
    """
    salvage = damage_of(folder, is_sound)
    if salvage is not None:
        warnings.warn(_damaged(folder, salvage), DamagedLedgerWarning, stacklevel=1)
    connection = open_read_only(folder) if salvage is None else salvage.connection
    connection.row_factory = sqlite3.Row
    try:
        with closing(connection):
            yield connection
    except (sqlite3.DatabaseError, ValueError) as error:
        raise SweepError(f"{folder / LEDGER} cannot be read: {error}") from None


def _facts(connection: sqlite3.Connection) -> dict[str, Any]:
    rows = connection.execute("SELECT key, value FROM sweep WHERE key <> ?", (N_TRIALS,))
    return {key: json.loads(value) for key, value in rows}


def _check_version(folder: Path, connection: sqlite3.Connection) -> None:
    """Check that this version reads what a file says of itself; one that says nothing of use is damaged."""
    stated = {}
    for key, value in connection.execute("SELECT key, value FROM sweep"):
        with suppress(ValueError, TypeError):
            stated[key] = json.loads(value)
    is_sealed = "seal" in {row[1] for row in connection.execute("PRAGMA table_info(sweep)")}
    is_other = isinstance(stated.get("format_version"), int) and stated["format_version"] != FORMAT_VERSION
    if is_other and (not is_sealed or is_whole(connection)):
        raise SweepError(_other_version(folder, stated))


def _other_version(folder: Path, facts: Mapping[str, Any]) -> str:
    theirs, who = facts["format_version"], facts.get("written_by", "gan-sweep")
    if theirs > FORMAT_VERSION:
        what, remedy = "a newer gan-sweep", "update gan-sweep to read it"
    else:
        what, remedy = "an older gan-sweep", "read it with that one, or run the sweep again"
    return (
        f"{folder} was written by {what} ({who}, format {theirs}; this one reads {FORMAT_VERSION}): {remedy}"
    )


def read_reports(folder: Path, stage: Stage = Stage.SEARCH) -> list[dict[str, Any]]:
    """Read every report of a stage: ``trial_id``, ``step`` and the metrics, in the order of its trials."""
    query = (
        "SELECT trial_id, reports.step AS step, metrics FROM reports JOIN trials USING (trial_id)"
        " WHERE stage = ? ORDER BY number, reports.step"
    )
    with _readable(folder) as connection:
        rows = connection.execute(query, (stage,)).fetchall()
    return [{"trial_id": row["trial_id"], "step": row["step"], **json.loads(row["metrics"])} for row in rows]


def standing(facts: Mapping[str, Any]) -> Status:
    """Return how a sweep stands as a whole, its confirmation included."""
    statuses = [facts["status"], facts.get("confirmation", {}).get("status", Status.COMPLETED)]
    return next((s for s in (Status.RUNNING, Status.INTERRUPTED) if s in statuses), Status.COMPLETED)


def parsed_rows(found: sqlite3.Cursor) -> list[dict[str, Any]]:
    """Return rows of trials, their JSON parsed a column at once, which is faster than cell by cell."""
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found]
    for row in rows:
        del row["seal"]
        if not re.fullmatch(_TRIAL_ID, row["trial_id"]):
            raise ValueError(f"{row['trial_id']!r} is no trial's name")
        row["status"] = Status(row["status"])
    for column in _JSON_COLUMNS:
        texts = ",".join(row[column] or "null" for row in rows)
        for row, value in zip(rows, json.loads(f"[{texts}]"), strict=True):
            row[column] = value
    return rows


_TRIAL_ID = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Files are called after it."""


def open_read_only(folder: Path) -> sqlite3.Connection:
    """Open the record of a sweep for reading."""
    connection = connected(f"{(folder / LEDGER).resolve().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection
