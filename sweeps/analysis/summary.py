"""A sweep in a few JSON values."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from sweeps.analysis.confirmation import ConfirmationResult
from sweeps.analysis.frames import Frames
from sweeps.analysis.judgement import judge
from sweeps.analysis.leaderboard import Leaderboard
from sweeps.analysis.rows import row_scores
from sweeps.record.code import warnings_of_code
from sweeps.record.judging import constraints_of
from sweeps.record.reading import Record
from sweeps.record.status import Status
from sweeps.record.yardstick import accuracy_of, floors_of

_IN_SEARCH = ("mean_in_search", "seeds_in_search")
"""What the summary of a trial says too, if the search trained configurations on further seeds."""


def summary_of(frames: Frames, leaderboard: Leaderboard) -> dict[str, Any]:
    """Return counts of trials by status, the best trial, the defaults, the floors, the confirmation."""
    record = frames.record
    facts, board = record.facts, leaderboard.of_search()
    ranked = board["trial_id"][board["rank"].notna()].tolist()
    trials = {row["trial_id"]: trial_summary(row, frames.metric) for row in record.trials}
    baseline = next((row["trial_id"] for row in record.trials if row["is_baseline"]), None)
    for row in json_records(board[[each for each in ("trial_id", *_IN_SEARCH) if each in board]]):
        trials[row["trial_id"]] |= row
    can_win = [trial_id for trial_id in ranked if trial_id not in leaderboard.infeasible]
    best = trials[can_win[0]] if can_win else None
    floors, accuracy = floors_of(facts, best["samples"] if best else None), accuracy_of(facts)
    return {
        "name": record.folder.name,
        "status": facts["status"],
        "metric": frames.objectives[0],
        "seconds": elapsed_s(facts),
        "trials": dict(Counter(row["status"] for row in record.trials)),
        "best": best,
        "constraints": constraint_summary(record, leaderboard),
        "baseline": trials[baseline] if baseline in ranked else None,
        "fid_floor": floors.scores.get("fid") if floors else None,
        "floors": floors and dict(floors.scores),
        "floor_images": floors and floors.images,
        "extractor": facts.get("extractor"),
        "accuracy": accuracy and asdict(accuracy),
        "warnings": warnings_in(record),
        "confirmation": _confirmation_summary(frames, leaderboard),
    }


def warnings_in(record: Record) -> list[str]:
    """Return why the scores of a sweep are less reliable than they look, each in a sentence without a dot."""
    return [
        *record.facts.get("warnings", []),
        *warnings_of_code(record.facts, [*record.trials, *record.replicas]),
    ]


def constraint_summary(record: Record, leaderboard: Leaderboard) -> dict[str, Any] | None:
    """Return the constraints of a sweep, and how many trials meet or break them; None without any.

    A trial that ended with a score may do either if a metric is unknown: most were stopped early.
    """
    constraints = constraints_of(record.facts)
    if not constraints:
        return None
    statuses = {row["trial_id"]: row["status"] for row in record.trials}
    undecided = [statuses[trial_id] for trial_id in leaderboard.feasible.index[leaderboard.feasible.isna()]]
    ended = [status for status in undecided if status in {Status.COMPLETED, Status.PRUNED}]
    return {
        "constraints": [str(each) for each in constraints],
        "feasible": int(leaderboard.feasible.sum()),
        "infeasible": len(leaderboard.infeasible),
        "unknown": len(ended),
        "unknown_stopped_early": ended.count(Status.PRUNED),
    }


def _confirmation_summary(frames: Frames, leaderboard: Leaderboard) -> dict[str, Any] | None:
    result = leaderboard.confirmation(frames.scale())
    if result is None:
        return None
    facts = frames.record.facts["confirmation"]
    return {
        "status": facts["status"],
        "seconds": elapsed_s(facts),
        "trials": dict(Counter(row["status"] for row in frames.record.replicas)),
        "winner": result.winner,
        "gain": _gain_summary(frames, leaderboard, result),
        "tied": result.tied,
        "conclusion": result.conclusion(),
        "outlook": result.outlook(),
        "noise_of_seeds": result.scores.evidence.kind.words,
        "finalists": json_records(leaderboard.of_confirmation()),
    }


def _gain_summary(
    frames: Frames, leaderboard: Leaderboard, result: ConfirmationResult
) -> dict[str, Any] | None:
    """Return the winner's gain over the defaults: a ratio for fid, a difference for other metrics.

    Returns:
        ``mean``, ``low``, ``high`` and ``probability_of_no_gain``, None where unknown; ``is_significant`` and
        ``reason`` of the judgement. None if no finalist wins, or if the defaults were not trained again.
    """
    if result.winner is None or result.defaults is None:
        return None
    (gain,) = json_records(result.gains().loc[[result.winner]])
    judged = judge(frames, leaderboard, result.winner)
    return {
        "mean": gain["gain"],
        "low": gain["gain_low"],
        "high": gain["gain_high"],
        "probability_of_no_gain": gain["probability_of_no_gain"],
        "is_significant": judged.is_significant,
        "reason": judged.reason,
    }


def trial_summary(row: dict[str, Any], metric: str) -> dict[str, Any]:
    """Return the scores, flags and searched parameters of a record's trial."""
    scores = row_scores(row)
    return {
        "trial_id": row["trial_id"],
        "fid": scores.get("fid"),
        metric: scores.get(metric),
        "samples": scores["samples"],
        f"search_{metric}": row["score"],
        "scores": {name: value for name, value in scores.items() if name not in {"samples", "images_per_s"}},
        "flags": row["flags"],
        "params": row["params"],
    }


def elapsed_s(facts: Mapping[str, Any]) -> float | None:
    """Return the seconds that a search or a confirmation ran, without the pauses between stop and resume.

    Args:
        facts: The record's facts of the search, or of its confirmation. ``since`` is the start of the last
            part, ``before_s`` the duration of the parts before it.

    Returns:
        The seconds; None while it runs.
    """
    if facts.get("ended_at") is None:
        return None
    since = facts.get("since", facts["started_at"])
    return float(facts.get("before_s", 0.0) + facts["ended_at"] - since)


def json_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows as JSON values, None for an empty cell."""
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in record.items()} for record in records]
