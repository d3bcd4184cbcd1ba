"""Make a record fit to be written: restore a damaged one from its copy, migrate one of an earlier format."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from sweeps.errors import DamagedRecordError
from sweeps.record.copies import write_copy
from sweeps.record.files import put_in_place
from sweeps.record.layout import COPY, LEDGER
from sweeps.record.migrations import migrate
from sweeps.record.opening import checked_format, faults_named, opened
from sweeps.record.reading import facts_in, lost, reports_in, trials_in
from sweeps.record.schema import FORMAT_VERSION, as_json, connected
from sweeps.record.status import Stage


def damage_of(file: Path) -> DamagedRecordError | None:
    """Return what is wrong with a record, read as a whole; None if nothing is.

    Raises:
        SweepError: The record is locked, cannot be read, or its format is not known.
    """
    try:
        with opened(file) as connection:
            problem = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if problem != "ok":
                raise ValueError(problem)
            facts_in(connection)
            trials_in(connection)
            for stage in Stage:
                reports_in(connection, stage)
    except DamagedRecordError as error:
        return error
    return None


def check_whole(folder: Path) -> None:
    """Check that nothing of a record is damaged.

    Raises:
        SweepError: The record is damaged, locked, cannot be read, or its format is not known.
    """
    if damage := damage_of(folder / LEDGER):
        raise damage


def made_writable(folder: Path) -> str | None:
    """Restore and migrate the record in a folder if it needs that; return what was restored, in words.

    Raises:
        SweepError: The record and its copy are damaged, or the record is locked or cannot be written.
    """
    file = folder / LEDGER
    damage = damage_of(file)
    restored = _restored(folder, damage) if damage else None
    with faults_named(file), closing(connected(file)) as connection:
        version = checked_format(file, connection)
        if version < FORMAT_VERSION:
            write_copy(file, folder / f"ledger.format{version}.db")
            migrate(connection, version)
    return restored


def _restored(folder: Path, damage: DamagedRecordError) -> str:
    """Put the copy in place of a damaged record, and set aside all files that the copy does not know."""
    file, copy = folder / LEDGER, folder / COPY
    if damage_of(copy):
        raise lost(folder, damage)
    draft = file.with_name("ledger.draft")
    draft.unlink(missing_ok=True)
    with closing(connected(copy)) as source, closing(connected(draft)) as target:
        source.backup(target)
        migrate(target, checked_format(copy, target))
        generation = _next_generation(target)
        unknown = list(_unknown_files(folder, target))
    kept = _set_damaged_aside(file)
    aside = folder / f"unrecorded-{generation}"
    for path in unknown:
        place = aside / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
    put_in_place(draft, file)
    at = datetime.fromtimestamp(copy.stat().st_mtime, tz=UTC)
    moved = f"; {len(unknown)} files of that time are in {aside.name}" if unknown else ""
    return (
        f"{file} was damaged ({damage.problem}){kept}: the sweep resumes from its copy of"
        f" {at:%Y-%m-%d %H:%M:%S} UTC and repeats what came after{moved}"
    )


def _next_generation(connection: sqlite3.Connection) -> int:
    generation = int(facts_in(connection).get("generation", 0)) + 1
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO sweep (key, value) VALUES ('generation', ?)", (as_json(generation),)
        )
    return generation


def _set_damaged_aside(file: Path) -> str:
    """Rename a damaged record and its write-ahead log; return where it is kept, in words."""
    wal, index = (file.with_name(f"{file.name}{end}") for end in ("-wal", "-shm"))
    index.unlink(missing_ok=True)
    if not file.exists():
        wal.unlink(missing_ok=True)
        return ""
    names = (f"ledger.damaged{'' if number == 1 else f'-{number}'}.db" for number in count(1))
    kept = file.rename(next(path for path in map(file.with_name, names) if not path.exists()))
    if wal.exists():
        wal.replace(kept.with_name(f"{kept.name}-wal"))
    return f" and is kept as {kept.name}"


def _unknown_files(folder: Path, connection: sqlite3.Connection) -> Iterator[Path]:
    """Yield the samples, weights and checkpoints of trials and reports that a record does not have.

    A checkpoint that is newer than the trial's last report belongs to a later one.
    """
    steps: set[tuple[str, str]] = set()
    last_reports: dict[str, float] = {}
    for trial_id, step, at in connection.execute("SELECT trial_id, step, reported_at FROM reports"):
        steps.add((trial_id, str(step)))
        last_reports[trial_id] = max(at, last_reports.get(trial_id, 0.0))
    query = "SELECT trial_id FROM trials WHERE final IS NOT NULL"
    completed = {trial_id for (trial_id,) in connection.execute(query)}
    for path in folder.glob("samples/*/*.png"):
        if (path.parent.name, path.stem) not in steps:
            yield path
    for path in (*folder.glob("weights/*.safetensors"), *folder.glob("weights/*.state")):
        if path.stem not in completed:
            yield path
    for path in folder.glob("checkpoints/*.checkpoint*"):
        trial_id = path.name.partition(".checkpoint")[0]
        if path.stat().st_mtime > last_reports.get(trial_id, 0.0):
            yield path
