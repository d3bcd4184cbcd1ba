"""Migrate the record of an earlier format to the current one, format by format."""

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from sweeps.record.schema import FORMAT_VERSION, TABLES_OF_FORMAT_9, as_json, from_json


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a record from a format to the current one, in one transaction.

    Args:
        connection: To the record, outside of a transaction.
        version: The format of the record.
    """
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for step in range(version, FORMAT_VERSION):
            _STEPS[step](connection)
        connection.execute(
            "UPDATE sweep SET value = ? WHERE key = 'format_version'", (as_json(FORMAT_VERSION),)
        )


def _from_8_to_9(connection: sqlite3.Connection) -> None:
    """Drop checksums and counts, and add to each report the lineage that it belongs to.

    A report belongs to the lineage after the last take-over before it. In format 8, a list of one value was
    one of the searched parameters.
    """
    [spec] = connection.execute("SELECT value FROM sweep WHERE key = 'spec'").fetchone() or ["{}"]
    fixed = _lists_of_one_value(from_json(spec))
    connection.create_function("as_finite", 1, lambda text: as_json(from_json(text)), deterministic=True)
    connection.create_function(
        "as_searched",
        1,
        lambda text: as_json(dict(item for item in from_json(text).items() if item not in fixed.items())),
        deterministic=True,
    )
    for table in ("sweep", "trials", "reports"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_8")
    for statement in TABLES_OF_FORMAT_9:
        connection.execute(statement)
    connection.execute("INSERT INTO sweep SELECT key, value FROM sweep_8 WHERE key <> 'n_trials'")
    connection.execute(
        "INSERT INTO reports SELECT sequence, trial_id,"
        " (SELECT count(*) FROM trials_8, json_each(take_overs)"
        "  WHERE trials_8.trial_id = reports_8.trial_id"
        "  AND json_extract(json_each.value, '$.at') <= reported_at),"
        " step, as_finite(metrics), score, reported_at FROM reports_8 ORDER BY sequence"
    )
    same = (
        "trial_id, stage, of, number, is_baseline, drawn, config, status, score, best_step, step,"
        " flags, take_overs, places, mishaps, started_at, since, before_s, ended_at, reason, traceback"
    )
    connection.execute(
        f"INSERT INTO trials ({same}, params, final, best_lineage) SELECT {same}, as_searched(params),"
        " CASE WHEN final IS NULL THEN NULL ELSE as_finite(final) END,"
        " (SELECT lineage FROM reports WHERE reports.trial_id = trials_8.trial_id"
        "  AND reports.step = best_step) FROM trials_8"
    )
    for table in ("reports", "trials", "sweep"):
        connection.execute(f"DROP TABLE {table}_8")


def _lists_of_one_value(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the parameters that a spec lists with one value and without conditions."""
    parameters = spec.get("parameters", {})
    listed = {
        name: each["values"] for name, each in parameters.items() if not each.get("when") and "values" in each
    }
    return {name: values[0] for name, values in listed.items() if len(values) == 1}


_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {8: _from_8_to_9}
"""By the format that each step begins with."""
