"""From a ledger to a decision, as pandas frames."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.analysis.leaderboard import matching_trials, on_the_front
from sweeps.analysis.rows import (
    COLUMN_TYPES,
    COLUMNS,
    column_of,
    json_records,
    kind_of_failure,
    row_scores,
    same_but_for_the_seed,
    trial_row,
    trial_summary,
)
from sweeps.errors import SweepError, UnknownTrialError
from sweeps.record.layout import samples_file
from sweeps.record.reading import Record, read_reports
from sweeps.record.status import FAILURES, Stage, Status

if TYPE_CHECKING:
    from gan_core import Generator
    from sweeps.analysis.confirmation import ConfirmationResult, SeedScores
    from sweeps.analysis.statistics import Scale


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
        self._replica_rows = record.replicas
        self._metrics: list[dict[str, str]] = self.facts["spec"].get("metric", _DEFAULT_METRIC)

    @property
    def metric(self) -> str:
        """The name of the score that says which trial is better."""
        return self._metrics[0]["name"]

    @property
    def metrics(self) -> list[str]:
        """The names of all scores that the sweep goes by, that one first."""
        return [metric["name"] for metric in self._metrics]

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
        trial does not have it; the parameter ``precision`` is ``precision_of_training``, as ``precision`` is
        a score.

        The scores of a trial that was trained to its end are the final ones, of ``final_samples`` images
        that the weights of its best report made of fresh noise; another's are those of its best report, of
        ``eval_samples``.
        """
        return self._frame(self._rows)

    @cached_property
    def replicas(self) -> pd.DataFrame:
        """One row a trial of the confirmation, as ``trials`` has them, with ``of`` (whose configuration)."""
        frame = self._frame(self._replica_rows)
        frame.insert(1, "of", [row["of"] for row in self._replica_rows])
        return frame

    def _frame(self, rows: list[dict[str, Any]]) -> pd.DataFrame:
        frame = pd.DataFrame(
            [trial_row(row, self.metric, self.searched) for row in rows],
            columns=None if rows else self._columns_to_come,
        )
        return frame.astype(COLUMN_TYPES | dict.fromkeys([self.metric, f"search_{self.metric}"], "float64"))

    @property
    def _columns_to_come(self) -> list[str]:
        """What the first trial will have: a condition can name it before."""
        parameters = self.facts["spec"].get("parameters", {})
        return [*COLUMNS, self.metric, f"search_{self.metric}", *map(column_of, parameters)]

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row a report: ``trial_id``, ``step``, and a column a metric."""
        rows = read_reports(self.folder)
        return pd.DataFrame(rows, columns=None if rows else ["trial_id", "step", "fid"])

    @cached_property
    def with_final(self) -> list[str]:
        """The trials that have final scores."""
        return [row["trial_id"] for row in self._rows if row["final"] is not None]

    @cached_property
    def searched(self) -> list[str]:
        """The parameters that differ between trials, by the names of their columns in ``trials``."""
        return list(dict.fromkeys(column_of(name) for row in self._rows for name in row["params"]))

    @property
    def logarithmic(self) -> list[str]:
        """The names of those of them whose orders of magnitude are searched."""
        parameters = self.facts["spec"].get("parameters", {})
        kinds = {name: parameters.get(name, {}).get("distribution", "") for name in self.searched}
        return [name for name, kind in kinds.items() if "log_uniform" in kind]

    def rank(
        self,
        by: str | None = None,
        top: int | None = None,
        stage: str = Stage.SEARCH,
        where: str | None = None,
    ) -> pd.DataFrame:
        """Return the trials by a metric, best first; those without a score come last, unranked.

        A trial that diverged or crashed has none, whatever it had reported before. Trials with a final score
        come before those without: fid depends on the number of samples.

        Args:
            by: The metric; the sweep's own where it is not given.
            top: How many rows to return; all where it is not given.
            stage: ``search``, or ``confirm`` for the finalists over fresh seeds: the columns of
                :meth:`sweeps.analysis.confirmation.ConfirmationResult.frame`, with the search's score beside
                them.
            where: Which trials: a condition as :func:`sweeps.analysis.where.matching` reads it.

        Returns:
            ``rank`` from 1, ``trial_id``, ``status``, the metric (``fid``), ``samples`` (that it rests on),
            ``floor`` (the score of real images), ``gain`` (how many times better than the score, of as many
            samples, of the seed tutorial's defaults), ``step``, ``flags``, ``took_over`` (whose state it
            went on from, and at which step, where trials did), ``retries`` (how often it was trained again
            after its worker died, where one did), ``is_baseline`` and a column for each searched
            parameter, empty where a trial does not have it. In a sweep by several metrics, the
            others come after the first, and ``pareto`` says whether no trial is better in one of them and as
            good in the rest. Where a confirmation has been, ``mean``, ``low`` and ``high`` (its 95 %
            interval) and ``seeds`` are those of the fresh seeds, and ``tie`` says whether a trial is not told
            from the best: by the confirmation, or where it was not in it by the pooled spread over seeds.

        Raises:
            SweepError: There is no such metric or stage, or the condition is not one.
        """
        if stage == Stage.CONFIRM:
            frame = self._rank_confirmed(by, where)
        elif stage == Stage.SEARCH:
            frame = self._rank_searched(by, where)
        else:
            raise SweepError(f"no stage {stage!r}; {allowed_and_closest(stage, Stage)}")
        return frame.head(len(frame) if top is None else top)

    def _rank_searched(self, by: str | None, where: str | None) -> pd.DataFrame:
        scale = self.scale(by)
        metric, frame = scale.metric, self._with_gain(scale)
        several = self.metrics[1:] if metric == self.metric else []
        if several:
            frame["pareto"] = on_the_front(frame, self._metrics)
        over_seeds = [] if not self._replica_rows else ["mean", "low", "high", "seeds", "tie"]
        if over_seeds:
            frame = self._with_seeds(frame, scale)
        if where is not None:
            frame = frame[matching_trials(frame, where)]
        order = {"has_final": False, metric: scale.less_is_better}
        frame = frame.sort_values([*order], ascending=[*order.values()], kind="stable", ignore_index=True)
        frame["rank"] = pd.Series(range(1, len(frame) + 1), dtype="Int64").where(frame[metric].notna())
        columns = ["rank", "trial_id", "status", metric, *over_seeds]
        columns += [*several, *(["pareto"] if several else [])]
        columns += ["samples", "floor", "gain", "step", "flags"]
        columns += [column for column in ("took_over", "retries") if frame[column].any()]
        columns += ["is_baseline", *self.searched]
        return frame.reindex(columns=list(dict.fromkeys(columns)))

    def _with_gain(self, scale: "Scale") -> pd.DataFrame:
        """Return the trials with ``has_final``, ``floor`` and ``gain``."""
        metric, frame = scale.metric, self.trials
        scores = frame.reindex(columns=list({metric, *self.metrics}), fill_value=np.nan)
        frame = frame.assign(**scores.mask(frame["status"].isin(FAILURES)))
        has_final = frame["trial_id"].isin(self.with_final)
        baseline = next((row for row in self._rows if row["is_baseline"]), None)
        at_reports = ((baseline or {}).get("best_metrics") or {}).get(metric, np.nan)
        at_the_end = row_scores(baseline).get(metric, np.nan) if baseline else np.nan
        of_defaults = np.where(has_final, at_the_end, at_reports)
        gain = of_defaults / frame[metric] if scale.less_is_better else frame[metric] / of_defaults
        floor = (self.facts.get("floors") or {}).get(metric, np.nan)
        return frame.assign(has_final=has_final, floor=floor, gain=gain)

    def _with_seeds(self, frame: pd.DataFrame, scale: "Scale") -> pd.DataFrame:
        """Return the trials with what the seeds of a confirmation say of them."""
        from sweeps.analysis.confirmation import TIE, WINNER

        replicas = self._replicas_of(None, scale)
        frame = frame.join(replicas.means()[["mean", "low", "high", "seeds"]], on="trial_id")
        frame["seeds"] = frame["seeds"].astype("Int64")
        values = scale.to_scale(frame[scale.metric].where(frame["has_final"]).to_numpy(dtype=float))
        behind = pd.Series(values - np.nanmin(values, initial=np.inf), index=frame.index)
        noise = replicas.noise()
        tie = (behind <= noise).astype("boolean").where(behind.notna() & ~np.isnan(noise))
        confirmed = self.confirmed(scale.metric)
        if confirmed is not None:
            words = confirmed.frame().set_index("trial_id")["verdict"]
            told = frame["trial_id"].map(words)
            tie = tie.where(told.isna(), told.isin([WINNER, TIE]).astype("boolean"))
            tie = tie.where(told.isna() | (confirmed.winner is not None))
        return frame.assign(tie=tie)

    def _rank_confirmed(self, by: str | None, where: str | None) -> pd.DataFrame:
        scale = self.scale(by)
        confirmed = self.confirmed(scale.metric)
        if confirmed is None:
            raise SweepError(f"{self.name} is not confirmed: type gan-sweep confirm {self.name}")
        searched = self._rank_searched(by, None).set_index("trial_id")
        frame = confirmed.frame().join(
            searched[[scale.metric, "floor", "is_baseline", *self.searched]], on="trial_id"
        )
        frame = frame.rename(columns={scale.metric: f"{scale.metric}_in_search"})
        frame.insert(
            0, "rank", pd.Series(range(1, len(frame) + 1), dtype="Int64").where(frame["mean"].notna())
        )
        defaults = frame["mean"][frame["is_baseline"]]
        of_defaults = defaults.iloc[0] if len(defaults) else np.nan
        gain = of_defaults / frame["mean"] if scale.less_is_better else frame["mean"] / of_defaults
        frame.insert(list(frame.columns).index("floor") + 1, "gain", gain)
        return frame if where is None else frame[matching_trials(frame, where)]

    def confirmed(
        self, by: str | None = None, among: Sequence[str] | None = None
    ) -> "ConfirmationResult | None":
        """Return what the last confirmation has found, by the sweep's metric or another; None without one.

        Args:
            by: The metric; the sweep's own where it is not given.
            among: Compare these trials' configurations alone; its finalists where it is not given.
        """
        facts = self.facts.get("confirmation")
        if facts is None:
            return None
        from sweeps.analysis.confirmation import ConfirmationResult
        from sweeps.spec.sections import Confirm

        settings = Confirm.model_validate(facts["settings"])
        return ConfirmationResult(
            self._replicas_of(among or facts["finalists"], self.scale(by)),
            settings.looks,
            settings.until_resolved,
            facts["status"] == Status.COMPLETED,
        )

    def _replicas_of(self, names: Sequence[str] | None, scale: "Scale") -> "SeedScores":
        from sweeps.analysis.confirmation import SeedScores

        rows = self._replica_rows
        return SeedScores.read(rows, names or list(dict.fromkeys(row["of"] for row in rows)), scale)

    def finalists(self, top: int) -> list[dict[str, Any]]:
        """Return the ledger's rows of the best configurations, and of the seed tutorial's defaults.

        Configurations that differ in their seed alone are one.

        Raises:
            UnknownTrialError: No trial has a score yet.
        """
        rows = {row["trial_id"]: row for row in self._rows}
        ranked = self.rank()
        has_score = ranked["rank"].notna() & ranked["status"].isin([Status.COMPLETED, Status.PRUNED])
        found: list[dict[str, Any]] = []
        for trial_id in ranked["trial_id"][has_score]:
            if len(found) < top and not any(same_but_for_the_seed(rows[trial_id], row) for row in found):
                found.append(rows[trial_id])
        if not found:
            raise UnknownTrialError(f"no trial of the sweep {self.name} has ended with a score yet")
        return found + [row for row in self._rows if row["is_baseline"] and row not in found]

    def pareto(self, *metrics: str) -> pd.DataFrame:
        """Return the trials that no other one beats in every metric, as :meth:`rank` has them.

        Args:
            metrics: Two or more; those of the sweep where none is given. Of trials without a final score,
                scores are of fewer samples: only those with one are compared where there are any.

        Raises:
            SweepError: There is no such metric.
        """
        scales = [self.scale(name) for name in metrics or self.metrics]
        goals = [
            {"name": scale.metric, "goal": "minimize" if scale.less_is_better else "maximize"}
            for scale in scales
        ]
        names = [scale.metric for scale in scales]
        ranked = self._rank_searched(names[0], None).set_index("trial_id", drop=False)
        frame = self.trials[~self.trials["status"].isin(FAILURES)].set_index("trial_id")
        frame = frame.loc[self.with_final] if self.with_final else frame
        front = frame.index[on_the_front(frame, goals)]
        kept = ranked[ranked["trial_id"].isin(front)].drop(columns="pareto", errors="ignore")
        others = frame[[name for name in names if name not in kept.columns]]
        return kept.join(others).reset_index(drop=True)

    def importances(self) -> pd.DataFrame:
        """Return how much each searched parameter matters: ``parameter``, ``importance``, greatest first.

        See :func:`sweeps.analysis.importances.parameter_importances`.
        """
        from sweeps.analysis.importances import parameter_importances

        shares = parameter_importances(self.trials, self.searched, self.metric, logarithmic=self.logarithmic)
        return shares.rename_axis("parameter").rename("importance").reset_index()

    def best_of_k(self, by: str | None = None) -> pd.DataFrame:
        """Return the score to expect of the best of k trials, for each value of a parameter.

        What a budget of k trials buys: :func:`sweeps.analysis.best_of_k.expected_best_of`. Those stopped
        early count as far as they came. What a sampler has learnt makes its trials better than those of a
        random search.

        Args:
            by: A parameter, such as ``loss``; all trials together where it is not given.

        Returns:
            A column named like the parameter, ``trials`` (k, from 1), ``mean``, ``low`` and ``high``.

        Raises:
            SweepError: There is no such parameter.
        """
        from sweeps.analysis.best_of_k import expected_best_of
        from sweeps.analysis.search_scores import is_scored

        if by is not None and by not in self.trials.columns:
            raise SweepError(f"no parameter {by!r}; {allowed_and_closest(by, self.searched)}")
        groups = self.trials.groupby(by) if by else [("all", self.trials)]
        frames = {
            name: expected_best_of(group, self.metric)
            for name, group in groups
            if is_scored(group, self.metric).any()
        }
        if not frames:
            return pd.DataFrame(columns=[by or "of", "trials", "mean", "low", "high"])
        return pd.concat(frames, names=[by or "of", None]).reset_index(level=0).reset_index(drop=True)

    def failures(self, by: str = "loss") -> pd.DataFrame:
        """Return how many trials failed, by ``kind`` (diverged, or the error's name) and a parameter."""
        failed = [row for row in self._rows if row["status"] in FAILURES]
        counts = Counter((kind_of_failure(row), str(row["config"].get(by, "-"))) for row in failed)
        rows = [(kind, value, n) for (kind, value), n in counts.most_common()]
        return pd.DataFrame(rows, columns=["kind", by, "trials"])

    def scale(self, by: str | None = None) -> "Scale":
        """Return the scale that a metric is compared on, the sweep's own where none is named.

        Raises:
            SweepError: There is no such metric.
        """
        from sweeps.analysis.statistics import Scale

        if by is None or by == self.metric:
            return Scale(self.metric, self.less_is_better)
        from sweeps.spec.sections import GOALS

        has_scores = any(map(row_scores, self._rows))
        measured = [name for name in GOALS if name in self.trials.columns or not has_scores]
        if by not in measured:
            raise SweepError(f"{self.name} has no metric {by!r}; {allowed_and_closest(by, measured)}")
        return Scale(by, GOALS[by] == "minimize")

    def summary(self) -> dict[str, Any]:
        """Return the sweep in a few JSON values: counts by status, best trial, baseline, floors."""
        board = self._rank_searched(None, None)
        ranked = board["trial_id"][board["rank"].notna()].tolist()
        in_short = {row["trial_id"]: trial_summary(row, self.metric) for row in self._rows}
        baseline = next((row["trial_id"] for row in self._rows if row["is_baseline"]), None)
        return {
            "name": self.name,
            "status": self.facts["status"],
            "metric": self._metrics[0],
            "seconds": self._seconds(),
            "trials": dict(Counter(row["status"] for row in self._rows)),
            "best": in_short[ranked[0]] if ranked else None,
            "baseline": in_short[baseline] if baseline in ranked else None,
            "fid_floor": self.facts.get("floors", {}).get("fid"),
            "floors": self.facts.get("floors"),
            "extractor": self.facts.get("extractor"),
            "confirmation": self._confirmation_summary(),
        }

    def _seconds(self) -> float | None:
        """Return how long the search took, but for the time that it stood still; None while it runs."""
        ended_at, facts = self.facts.get("ended_at"), self.facts
        since = facts.get("since", facts["started_at"])
        return None if ended_at is None else float(facts.get("before_s", 0.0) + ended_at - since)

    def _confirmation_summary(self) -> dict[str, Any] | None:
        confirmed = self.confirmed()
        if confirmed is None:
            return None
        facts = self.facts["confirmation"]
        return {
            "status": facts["status"],
            "seconds": facts.get("ended_at") and facts["ended_at"] - facts["started_at"],
            "trials": dict(Counter(row["status"] for row in self._replica_rows)),
            "winner": confirmed.winner,
            "tied": confirmed.tied,
            "conclusion": confirmed.conclusion(),
            "finalists": json_records(self.rank(stage=Stage.CONFIRM)),
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

    def generator(self, trial_id: str | None = None, *, allow_imports: bool = False) -> "Generator":
        """Load a trial's generator in eval mode (:func:`sweeps.generators.kept.load_generator`).

        Args:
            trial_id: The trial; the confirmation's winner, or the best trial with a kept generator, if it is
                None.
            allow_imports: Whether to import the components that the trial names by import path, which runs
                their code.

        Raises:
            UnknownTrialError: The sweep does not keep that generator.
            ImportPathError: The trial names components by import path, and ``allow_imports`` is False.
            CorruptedCheckpointError: The file is damaged.
        """
        from sweeps.generators.kept import load_generator

        return load_generator(self, trial_id, allow_imports=allow_imports)

    def config_of(self, trial_id: str) -> dict[str, Any]:
        """Return every parameter of a trial.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        configs = {row["trial_id"]: row["config"] for row in (*self._rows, *self._replica_rows)}
        if trial_id not in configs:
            closest = allowed_and_closest(trial_id, configs)
            raise UnknownTrialError(f"no trial {trial_id!r} in the sweep {self.name}; {closest}")
        return dict(configs[trial_id])

    def params_of(self, trial_id: str) -> dict[str, Any]:
        """Return the searched parameters that a trial of the search has, by the names of their columns."""
        params = next(row["params"] for row in self._rows if row["trial_id"] == trial_id)
        return {column_of(name): value for name, value in params.items()}

    def scores_of(self, trial_id: str) -> dict[str, float]:
        """Return a trial's scores, as ``trials`` has them, and ``samples``, the number that they rest on.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        self.config_of(trial_id)
        row = next(row for row in (*self._rows, *self._replica_rows) if row["trial_id"] == trial_id)
        return row_scores(row)

    def take_overs_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return which trials' states a trial went on from, at which steps, and with which parameters."""
        rows = (*self._rows, *self._replica_rows)
        return next(list(row["take_overs"]) for row in rows if row["trial_id"] == trial_id)

    def reports_of(self, trial_id: str) -> dict[int, dict[str, float]]:
        """Return the metrics of a trial's reports by their steps.

        Raises:
            UnknownTrialError: The trial has none.
        """
        reports = (report for stage in Stage for report in read_reports(self.folder, stage))
        rows = [report for report in reports if report["trial_id"] == trial_id]
        if not rows:
            raise UnknownTrialError(f"the trial {trial_id} of the sweep {self.name} made no report")
        return {
            row["step"]: {name: value for name, value in row.items() if name not in {"trial_id", "step"}}
            for row in rows
        }

    def count(self, status: Status) -> int:
        """Return how many trials of the search have this status."""
        return sum(row["status"] == status for row in self._rows)

    def count_replicas(self, status: Status) -> int:
        """Return how many trials of the confirmation have this status."""
        return sum(row["status"] == status for row in self._replica_rows)


_DEFAULT_METRIC = [{"name": "fid", "goal": "minimize"}]
