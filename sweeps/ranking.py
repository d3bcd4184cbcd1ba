"""From a ledger to a decision, as pandas frames."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.errors import UnknownTrialError
from sweeps.ledger import Record, read_ledger, read_reports, samples_file
from sweeps.status import Status

RESULTS = Path("results")


class Sweep:
    """A sweep as its ledger tells it; needs neither Ray nor MLflow, and may still be running.

    Args:
        record: What the ledger holds.
    """

    def __init__(self, record: Record) -> None:
        self.folder = record.folder
        self.name = record.folder.name
        self.facts = record.facts
        self._rows = record.trials
        self._metrics: list[dict[str, str]] = self.facts["spec"].get("metric", _DEFAULT_METRIC)

    @property
    def metric(self) -> str:
        """The name of the score that says which trial is better."""
        return self._metrics[0]["name"]

    @property
    def less_is_better(self) -> bool:
        """Whether a lower score is a better one."""
        return self._metrics[0]["goal"] == "minimize"

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial, in the order of suggestions.

        ``trial_id``, ``status``, ``is_baseline``, ``flags`` (what went wrong and since which step), ``step``
        (steps reported), ``best_step`` (the best report), ``search_fid`` (its score, which the search was
        told; ``search_kid`` where kid is the metric), ``samples``, ``fid`` and the other scores, ``reason``
        and ``traceback`` (where it failed), ``seconds``, and a column for every parameter, empty where a
        trial does not have it.

        The scores of a trial that was trained to its end are the final ones, of ``final_samples`` images
        that the weights of its best report made of fresh noise; another's are those of its best report, of
        ``eval_samples``.
        """
        frame = pd.DataFrame(
            [_trial_row(row, self.metric, self.searched) for row in self._rows],
            columns=None if self._rows else [*_COLUMNS, self.metric, f"search_{self.metric}"],
        )
        return frame.astype(_TYPES | dict.fromkeys([self.metric, f"search_{self.metric}"], "float64"))

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row a report: ``trial_id``, ``step``, and a column a metric."""
        rows = read_reports(self.folder)
        return pd.DataFrame(rows, columns=None if rows else ["trial_id", "step", "fid"])

    @property
    def searched(self) -> list[str]:
        """The names of the parameters that differ between trials."""
        return list(dict.fromkeys(name for row in self._rows for name in row["params"]))

    @property
    def logarithmic(self) -> list[str]:
        """The names of those of them whose orders of magnitude are searched."""
        parameters = self.facts["spec"].get("parameters", {})
        kinds = {name: parameters.get(name, {}).get("distribution", "") for name in self.searched}
        return [name for name, kind in kinds.items() if "log_uniform" in kind]

    def rank(self, top: int | None = None) -> pd.DataFrame:
        """Return the trials by the sweep's metric, best first; those without a score come last, unranked.

        A trial that diverged or crashed has none, whatever it had reported before. Trials with a final score
        come before those without: fid depends on the number of samples.

        Args:
            top: How many rows to return; all where it is not given.

        Returns:
            ``rank`` from 1, ``trial_id``, ``status``, the metric (``fid``), ``samples`` (that it rests on),
            ``gain`` (how many times better than the score, of as many samples, of the seed tutorial's
            defaults), ``step``, ``flags``, ``took_over`` (whose state it went on from, and at which step,
            where trials did), ``is_baseline`` and a column for each searched parameter, empty where a trial
            does not have it. In a sweep by several metrics, the others come after the first,
            and ``pareto`` says whether no trial is better in one of them and as good in the rest.
        """
        frame = self.trials
        frame = frame.assign(**{self.metric: frame[self.metric].mask(frame["status"].isin(FAILURES))})
        order = {"has_final": False, self.metric: self.less_is_better}
        frame = frame.assign(has_final=[row["final"] is not None for row in self._rows]).sort_values(
            [*order], ascending=[*order.values()], kind="stable", ignore_index=True
        )
        frame["rank"] = pd.Series(range(1, len(frame) + 1), dtype="Int64").where(frame[self.metric].notna())
        frame["gain"] = self._gain(frame)
        several = [metric["name"] for metric in self._metrics[1:]]
        if several:
            frame["pareto"] = self._on_the_front(frame)
        columns = ["rank", "trial_id", "status", self.metric, *several, *(["pareto"] if several else [])]
        columns += ["samples", "gain", "step", "flags", *(["took_over"] if frame["took_over"].any() else [])]
        columns += ["is_baseline", *self.searched]
        return frame.reindex(columns=columns).head(len(frame) if top is None else top)

    def _gain(self, frame: pd.DataFrame) -> pd.Series:
        baseline = {True: self._baseline(self.metric), False: self._baseline(f"search_{self.metric}")}
        of_defaults = frame["has_final"].map(baseline).astype(float)
        return of_defaults / frame[self.metric] if self.less_is_better else frame[self.metric] / of_defaults

    def _on_the_front(self, frame: pd.DataFrame) -> pd.Series:
        """Return which trials no other one dominates; only those with all scores can be."""
        signs = [1 if metric["goal"] == "minimize" else -1 for metric in self._metrics]
        names = [metric["name"] for metric in self._metrics]
        scores = frame.reindex(columns=names).astype(float) * signs
        dominated = [
            ((scores <= row).all(axis=1) & (scores < row).any(axis=1)).any() for _, row in scores.iterrows()
        ]
        return scores.notna().all(axis=1) & ~pd.Series(dominated, index=frame.index, dtype=bool)

    def summary(self) -> dict[str, Any]:
        """Return the sweep in a few JSON values: counts by status, best trial, baseline, floors."""
        ranked = self.rank()["trial_id"][self.rank()["rank"].notna()].tolist()
        in_short = {row["trial_id"]: _in_short(row, self.metric) for row in self._rows}
        baseline = next((row["trial_id"] for row in self._rows if row["is_baseline"]), None)
        ended_at = self.facts.get("ended_at")
        return {
            "name": self.name,
            "status": self.facts["status"],
            "metric": self._metrics[0],
            "seconds": ended_at and ended_at - self.facts["started_at"],
            "trials": dict(Counter(row["status"] for row in self._rows)),
            "best": in_short[ranked[0]] if ranked else None,
            "baseline": in_short[baseline] if baseline in ranked else None,
            "fid_floor": self.facts.get("floors", {}).get("fid"),
            "floors": self.facts.get("floors"),
            "extractor": self.facts.get("extractor"),
        }

    def samples_file(self, trial_id: str, step: int | None = None) -> Path:
        """Return the sample grid of a trial's report at a step, or that of its best report.

        Raises:
            UnknownTrialError: The trial has made no report.
        """
        best_steps = {row["trial_id"]: row["best_step"] for row in self._rows}
        of_step = best_steps.get(trial_id) if step is None else step
        if of_step is None:
            raise UnknownTrialError(f"the trial {trial_id} of the sweep {self.name} made no report")
        return samples_file(self.folder, trial_id, of_step)

    def config_of(self, trial_id: str) -> dict[str, Any]:
        """Return every parameter of a trial.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        configs = {row["trial_id"]: row["config"] for row in self._rows}
        if trial_id not in configs:
            closest = allowed_and_closest(trial_id, configs)
            raise UnknownTrialError(f"no trial {trial_id!r} in the sweep {self.name}; {closest}")
        return dict(configs[trial_id])

    def take_overs_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return which trials' states a trial went on from, at which steps, and with which parameters."""
        return next(list(row["take_overs"]) for row in self._rows if row["trial_id"] == trial_id)

    def reports_of(self, trial_id: str) -> dict[int, dict[str, float]]:
        """Return the metrics of a trial's reports by their steps.

        Raises:
            UnknownTrialError: The trial has none.
        """
        rows = [row for row in read_reports(self.folder) if row["trial_id"] == trial_id]
        if not rows:
            raise UnknownTrialError(f"the trial {trial_id} of the sweep {self.name} made no report")
        return {
            row["step"]: {name: value for name, value in row.items() if name not in {"trial_id", "step"}}
            for row in rows
        }

    def count(self, status: Status) -> int:
        """Return how many trials have this status."""
        return sum(row["status"] == status for row in self._rows)

    def _baseline(self, column: str) -> float:
        values = self.trials.loc[self.trials["is_baseline"], column]
        return values.iloc[0] if len(values) else float("nan")


FAILURES = (Status.DIVERGED, Status.CRASHED)
"""How a trial ends that has no score."""

_DEFAULT_METRIC = [{"name": "fid", "goal": "minimize"}]
_TRAINING_METRICS = {"d_loss", "g_loss"}

_TYPES: dict[str, Literal["Int64", "float64"]] = {
    "step": "Int64",
    "best_step": "Int64",
    "samples": "Int64",
    "seconds": "float64",
}
_COLUMNS = ["trial_id", "status", "is_baseline", "flags", "took_over", "reason", "traceback", *_TYPES]


def _trial_row(row: dict[str, Any], metric: str, searched: list[str]) -> dict[str, Any]:
    return {
        "trial_id": row["trial_id"],
        "status": row["status"],
        "is_baseline": bool(row["is_baseline"]),
        "flags": ", ".join(f"{flag} since {step}" for flag, step in row["flags"].items()),
        "took_over": ", ".join(f"{each['trial_id']} at {each['step']}" for each in row["take_overs"]),
        "step": row["step"],
        "best_step": row["best_step"],
        f"search_{metric}": row["score"],
        metric: None,
        **_scores(row),
        "reason": row["reason"],
        "traceback": row["traceback"],
        "seconds": row["ended_at"] and row["ended_at"] - row["started_at"],
        **row["config"],
        **{name: row["params"].get(name) for name in searched},
    }


def _scores(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trial's scores, and the number of samples that they rest on."""
    best = row["best_metrics"] or {}
    scores = {name: value for name, value in best.items() if name not in _TRAINING_METRICS}
    if row["final"]:
        return {"samples": row["config"]["final_samples"], **scores, **row["final"]}
    return {"samples": row["config"]["eval_samples"] if best else None, **scores}


def _in_short(row: dict[str, Any], metric: str) -> dict[str, Any]:
    scores = _scores(row)
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


def load(name: str, results: Path | str = RESULTS) -> Sweep:
    """Load a sweep by its name.

    Raises:
        UnknownSweepError: There is no such sweep in ``results``.
        SweepError: Another version wrote it, or it is damaged.
    """
    return Sweep(read_ledger(name, Path(results)))
