"""Turn the record's rows into rows of :attr:`sweeps.Sweep.trials`."""

from typing import Any, Literal

from gan_core.step_metrics import STEP_METRICS
from sweeps.analysis.columns import column_of
from sweeps.record.status import Mishap, Status

COLUMN_TYPES: dict[str, Literal["Int64", "float64"]] = {
    "retries": "Int64",
    "step": "Int64",
    "best_step": "Int64",
    "samples": "Int64",
    "seconds": "float64",
}
COLUMNS = [
    *("trial_id", "of", "status", "is_baseline", "flags", "took_over", "reason", "traceback"),
    *COLUMN_TYPES,
]


def trial_row(row: dict[str, Any], metric: str, searched: list[str]) -> dict[str, Any]:
    """Return a trial of the record as a row of :attr:`sweeps.Sweep.trials`."""
    return {
        "trial_id": row["trial_id"],
        "of": row["of"],
        "status": row["status"],
        "is_baseline": bool(row["is_baseline"]),
        "flags": ", ".join(f"{flag} since {step}" for flag, step in row["flags"].items()),
        "took_over": ", ".join(f"{each['trial_id']} at {each['step']}" for each in row["take_overs"]),
        "retries": sum(mishap["kind"] == Mishap.DEATH for mishap in row["mishaps"]),
        "step": row["step"],
        "best_step": row["best_step"],
        f"search_{metric}": row["score"],
        metric: None,
        **row_scores(row),
        "reason": row["reason"],
        "traceback": row["traceback"],
        "seconds": seconds_of(row),
        **_as_columns(row["config"]),
        **dict.fromkeys(searched),
        **_as_columns(row["params"]),
    }


def _as_columns(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters by their columns."""
    return {column_of(name): value for name, value in params.items()}


def seconds_of(row: dict[str, Any]) -> float | None:
    """Return the seconds that a trial ran, without pauses; None while it runs."""
    return row["ended_at"] and float(row["before_s"] + row["ended_at"] - row["since"])


def row_scores(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial's scores, and ``samples``, the number of images they rest on."""
    best = row["best_metrics"] or {}
    scores = {name: value for name, value in best.items() if name not in STEP_METRICS}
    if row["final"]:
        return {"samples": row["config"]["final_samples"], **scores, **row["final"]}
    return {"samples": row["config"]["eval_samples"] if best else None, **scores}


def same_but_for_the_seed(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether two trials have the same configuration, apart from the seed."""
    return {**row["config"], "seed": 0} == {**other["config"], "seed": 0}


def kind_of_failure(row: dict[str, Any]) -> str:
    """Return ``diverged``, or the name of the error that ended a trial."""
    if row["status"] == Status.CRASHED:
        return str(row["reason"] or "unknown").partition(":")[0].rpartition(".")[2]
    return str(row["status"])
