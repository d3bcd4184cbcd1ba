"""What happened in a sweep, durably: the one source of truth.

A sweep is the folder ``results/NAME``. Its ledger is a SQLite file with one writer, the command that runs
the sweep, and any number of readers, also while it runs. What is damaged in it is noticed, and read as far as
it is whole (:mod:`sweeps.seals`).
"""

import json
import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import FileLock, Timeout

from gan_core.errors import allowed_and_closest
from sweeps.errors import DamagedLedgerWarning, SweepError, SweepExistsError, UnknownSweepError
from sweeps.seals import (
    COPY,
    DAMAGE,
    LEDGER,
    N_TRIALS,
    SCHEMA,
    Salvage,
    connected,
    has_whole_facts,
    has_whole_trials,
    have_sealed,
    is_whole,
    salvaged,
    set_aside,
)
from sweeps.status import Mishap, Stage, Status

if TYPE_CHECKING:
    from sweeps.space import Scalar

FORMAT_VERSION = 8

COPY_EVERY_S = 30.0
"""From one copy of the ledger to the next, while trials end."""


@dataclass(frozen=True)
class Trial:
    """One configuration that is trained.

    Args:
        trial_id: The sweep's name and the trial's number: ``lsgan-0007``; in a confirmation the trial that it
            repeats, and the seed's place: ``lsgan-0007-seed1``.
        number: Its place in the order of its stage's trials, from 0.
        params: The searched parameters.
        config: Every parameter, the seed among them.
        is_baseline: Whether the searched parameters are the seed tutorial's defaults.
        stage: What it is for.
        of: The trial of the search whose configuration a confirmation's trial repeats.
        drawn: What Optuna drew for ``params``, which it is told again; None where it drew nothing.
    """

    trial_id: str
    number: int
    params: "dict[str, Scalar]"
    config: "dict[str, Scalar]"
    is_baseline: bool
    stage: Stage = Stage.SEARCH
    of: str | None = None
    drawn: "dict[str, Scalar] | None" = None


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
    salvage = _damage(folder)
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


def _damage(folder: Path, is_sound: Callable[[sqlite3.Connection], bool] = is_whole) -> Salvage | None:
    """Return what is left of a ledger where it is damaged; None where it is whole, as ``is_sound`` says.

    Raises:
        SweepError: Nothing is left of it, or it was written by another version.
    """
    file = folder / LEDGER
    if file.exists() and not os.access(file, os.R_OK):
        raise SweepError(f"{file} cannot be read: it is not yours, and its permissions do not let you")
    with suppress(*DAMAGE), closing(_read_only(folder)) as connection:
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


_TRIALS = """
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


def read_ledger(name: str, results: Path) -> Record:
    """Read the ledger of the sweep ``name`` in ``results``.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: Another version wrote it, or it is damaged.
    """
    names = sweep_names(results)
    if name not in names:
        known = allowed_and_closest(name, names) if names else "there are no sweeps yet"
        raise UnknownSweepError(f"no sweep {name!r} in {results}; {known}")
    folder = results / name
    with _readable(folder, has_whole_trials) as connection:
        facts = _facts(connection)
        trials = _rows(connection.execute(f"{_TRIALS} ORDER BY number"))
    by_stage = {stage: [row for row in trials if row["stage"] == stage] for stage in Stage}
    return Record(folder, facts, by_stage[Stage.SEARCH], by_stage[Stage.CONFIRM])


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
    salvage = _damage(folder)
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
    salvage = _damage(folder, is_sound)
    if salvage is not None:
        warnings.warn(_damaged(folder, salvage), DamagedLedgerWarning, stacklevel=1)
    connection = _read_only(folder) if salvage is None else salvage.connection
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


class Follower:
    """Reads a ledger bit by bit while its writer goes on."""

    MOST_REPORTS = 10_000
    """Read at a time, to be bounded in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last_report = 0

    def standings(self) -> dict[str, tuple[Status, int]]:
        """Return how each trial stands, and how often it took over another one's state, in their order."""
        query = (
            "SELECT trial_id, status, json_array_length(take_overs) FROM trials ORDER BY stage DESC, number"
        )
        with closing(_read_only(self.folder)) as connection:
            return {trial_id: (Status(status), n) for trial_id, status, n in connection.execute(query)}

    def trial(self, trial_id: str) -> dict[str, Any]:
        """Return a trial's row, with the metrics of its best report."""
        with closing(_read_only(self.folder)) as connection:
            return _rows(connection.execute(f"{_TRIALS} WHERE trials.trial_id = ?", (trial_id,)))[0]

    def new_reports(self) -> dict[str, list[dict[str, Any]]]:
        """Return reports made since the last call by trial, the earliest first; not all where there are many.

        Each has its ``step``, ``metrics``, ``score`` (the trial's best so far) and ``reported_at``.
        """
        query = "SELECT * FROM reports WHERE sequence > ? ORDER BY sequence LIMIT ?"
        with closing(_read_only(self.folder)) as connection:
            rows = connection.execute(query, (self._last_report, self.MOST_REPORTS)).fetchall()
        by_trial: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_trial.setdefault(row["trial_id"], []).append({**row, "metrics": json.loads(row["metrics"])})
            self._last_report = row["sequence"]
        return by_trial

    def scores(self) -> list[tuple[float, float]]:
        """Return when each trial of the search ended that has a score, and with which, in their order."""
        query = (
            "SELECT ended_at, score FROM trials"
            " WHERE stage = ? AND score IS NOT NULL AND status NOT IN (?, ?, ?, ?) ORDER BY ended_at, number"
        )
        without = (Status.RUNNING, Status.INTERRUPTED, Status.DIVERGED, Status.CRASHED)
        with closing(_read_only(self.folder)) as connection:
            return [(row[0], row[1]) for row in connection.execute(query, (Stage.SEARCH, *without))]

    def reports_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return the ``step`` and the metrics of a trial's reports, in the order of steps."""
        query = "SELECT step, metrics FROM reports WHERE trial_id = ? ORDER BY step"
        with closing(_read_only(self.folder)) as connection:
            rows = connection.execute(query, (trial_id,)).fetchall()
        return [{"step": row["step"], **json.loads(row["metrics"])} for row in rows]


def standing(facts: Mapping[str, Any]) -> Status:
    """Return how a sweep stands as a whole, its confirmation included."""
    statuses = [facts["status"], facts.get("confirmation", {}).get("status", Status.COMPLETED)]
    return next((s for s in (Status.RUNNING, Status.INTERRUPTED) if s in statuses), Status.COMPLETED)


LOOKS_S = 1.0
"""More than others hold the lock who only look whether the sweep is running."""


@contextmanager
def running_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from running the same sweep; one that died keeps nobody.

    Raises:
        SweepError: Another process runs it.
    """
    try:
        with FileLock(folder / "running.lock", timeout=LOOKS_S):
            yield
    except Timeout:
        raise SweepError(f"the sweep {folder.name} is running in another process") from None


def is_run(folder: Path) -> bool:
    """Return whether a process runs the sweep, or that cannot be told, as in a folder of somebody else's."""
    try:
        with FileLock(folder / "running.lock", blocking=False):
            return False
    except (Timeout, OSError):
        return True


def _rows(found: sqlite3.Cursor) -> list[dict[str, Any]]:
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


def _read_only(folder: Path) -> sqlite3.Connection:
    connection = connected(f"{(folder / LEDGER).resolve().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def checkpoint_file(folder: Path, trial_id: str) -> Path:
    """Return where the state of a trial that is not finished is kept."""
    return folder / "checkpoints" / f"{trial_id}.checkpoint"


def discard_checkpoints(folder: Path, trial_id: str) -> None:
    """Delete what is kept of the state of a trial: it has ended."""
    file = checkpoint_file(folder, trial_id)
    for generation in file.parent.glob(f"{file.name}*"):
        generation.unlink(missing_ok=True)


def weights_file(folder: Path, trial_id: str) -> Path:
    """Return where the generator of a trial that was trained to its end is kept."""
    return folder / "weights" / f"{trial_id}.safetensors"


def samples_file(folder: Path, trial_id: str, step: int) -> Path:
    """Return where the sample grid of a trial's report is kept."""
    return folder / "samples" / trial_id / f"{step}.png"


def report_file(folder: Path) -> Path:
    """Return where the report page of a sweep is written."""
    return folder / "report.html"


def sweep_names(results: Path) -> list[str]:
    """Return the names of the sweeps in ``results``, sorted."""
    return sorted({path.parent.name for file in (LEDGER, COPY) for path in results.glob(f"*/{file}")})


def check_results(results: Path, name: str | None) -> None:
    """Check, writing nothing, that a sweep can be kept in ``results``, under ``name`` where one is given.

    Raises:
        SweepExistsError: The name is taken.
        SweepError: The folder cannot be made or written, or its path cannot stand in a database's address.
    """
    if set(str(results.absolute())) & set("?#%"):
        raise SweepError(
            f"{results}: a path with ?, # or % cannot hold databases; choose another: --results DIR"
        )
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise SweepError(
            f"{results} cannot be written: {there} is no writable folder; choose another: --results DIR"
        )
    if name is not None and (results / name).exists() and not _is_left(results / name):
        raise SweepExistsError(
            f"there is a sweep {name!r} in {results} already: type gan-sweep resume {name} to go on with it,"
            f" choose another --name, or leave --name out and the next free name is taken"
        )


def _is_left(folder: Path) -> bool:
    """Return whether a folder is all that a command left which was killed before there was a ledger."""
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    return folder.is_dir() and names <= {"running.lock", "ledger.draft", "ledger.draft-journal"}


def create_sweep_folder(results: Path, name: str, *, exact: bool) -> Path:
    """Make the folder of a new sweep, under the next free name unless it must be ``exact``.

    Raises:
        SweepExistsError: The exact name is taken.
        SweepError: The folder cannot be written.
    """
    check_results(results, name if exact else None)
    results.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = results / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(exist_ok=exact and _is_left(folder))
        except FileExistsError:
            continue
        for name_within in ("samples", "checkpoints", "weights"):
            (folder / name_within).mkdir(exist_ok=True)
        break
    return folder
