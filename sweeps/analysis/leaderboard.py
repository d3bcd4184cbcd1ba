"""Rank the trials of a sweep: by the search, by its confirmation, and by several metrics at once."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from sweeps.analysis.comparison import Flags
from sweeps.analysis.configurations import Standings
from sweeps.analysis.confirmation import LEADING, TIE, UNKNOWN, WINNER, ConfirmationResult, SeedScores
from sweeps.analysis.contest import Contest, contest_of
from sweeps.analysis.evidence import Evidence, Setting
from sweeps.analysis.feasibility import feasible_column, infeasible_over_seeds
from sweeps.analysis.frames import Frames
from sweeps.analysis.rows import row_scores, same_but_for_the_seed
from sweeps.analysis.statistics import Scale
from sweeps.analysis.where import matching
from sweeps.errors import SweepError, UnknownTrialError
from sweeps.record.judging import constraints_of, judged_metrics
from sweeps.record.status import FAILURES, Status
from sweeps.record.yardstick import floors_of
from sweeps.spec.constraints import in_words

_OVER_SEEDS = ["mean", "mean_low", "mean_high", "seeds"]
_IN_SEARCH = ["of", "mean_in_search", "seeds_in_search"]
"""Columns that are shown if the search trained configurations on further seeds."""
_BY_CONFIGURATION = {"on_scale": True, "configuration": True, "is_further": True}
_OPTIONAL = ["took_over", "retries"]
"""Columns that are shown if any trial has a value."""


class Leaderboard:
    """Rankings of a sweep's trials, best first.

    Args:
        frames: The tables of the sweep's record.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._record = frames.record
        self._constraints = constraints_of(frames.record.facts)

    def of_search(self, by: str | None = None, where: str | None = None) -> pd.DataFrame:
        """Return the trials of the search: the columns of :meth:`sweeps.Sweep.rank`.

        Raises:
            SweepError: The metric is unknown, or the condition is invalid.
        """
        scale = self._frames.scale(by)
        frame = self._with_gain(scale)
        in_search = [*_IN_SEARCH] if self._frames.has_seeds else []
        if in_search:
            frame = self._with_configurations(frame, scale)
        objectives = self._frames.objectives
        is_pareto = len(objectives) > 1 and scale.metric == self._frames.metric
        if is_pareto:
            front = pareto_front(frame[~frame["trial_id"].isin(self.infeasible)], objectives)
            frame["pareto"] = front.reindex(frame.index, fill_value=False)
        over_seeds = [*_OVER_SEEDS, "tie"] if self._record.replicas else []
        if over_seeds:
            frame = self._with_seeds(frame, scale)
        if where is not None:
            frame = frame[matching(frame, where)]
        by_configuration = _BY_CONFIGURATION if in_search else {}
        order = {"place": True, "has_final": False, **by_configuration}
        order[scale.metric] = scale.less_is_better
        frame = frame.sort_values([*order], ascending=[*order.values()], kind="stable", ignore_index=True)
        frame["rank"] = ranks(frame[scale.metric], frame["configuration"] if in_search else None)
        columns = ["rank", "trial_id", *in_search[:1], "status", scale.metric]
        bounded = [each.metric for each in self._constraints]
        columns += [*(["feasible"] if self._constraints else []), *bounded, *in_search[1:], *over_seeds]
        columns += [*(each["name"] for each in objectives[1:]), "pareto"] if is_pareto else []
        columns += ["samples", "floor", "floor_images", "gain", "step", "flags"]
        columns += [column for column in _OPTIONAL if frame[column].any()]
        columns += ["is_baseline", *self._frames.searched]
        return frame.reindex(columns=list(dict.fromkeys(columns)))

    def of_confirmation(self, by: str | None = None, where: str | None = None) -> pd.DataFrame:
        """Return the finalists: :meth:`ConfirmationResult.frame`, ``gains`` and columns of the search.

        Raises:
            SweepError: The sweep is not confirmed, the metric is unknown, or the condition is invalid.
        """
        scale = self._frames.scale(by)
        result = self.confirmation(scale)
        if result is None:
            name = self._record.folder.name
            raise SweepError(f"{name} is not confirmed: type gan-sweep confirm {name}")
        search = self.of_search(by).set_index("trial_id")
        final_samples = self._frames.trials.set_index("trial_id")["final_samples"]
        search = search.assign(**self._floors(final_samples, scale.metric))
        gains = result.gains()
        columns = [
            scale.metric,
            "floor",
            "floor_images",
            *gains.columns,
            "is_baseline",
            *self._frames.searched,
        ]
        search = search.drop(columns="gain").join(gains)[columns]
        frame = result.frame().join(search, on="trial_id")
        frame = frame.rename(columns={scale.metric: f"{scale.metric}_in_search"})
        frame.insert(0, "rank", ranks(frame["mean"]))
        return frame if where is None else frame[matching(frame, where)]

    def confirmation(self, scale: Scale, among: Sequence[str] | None = None) -> ConfirmationResult | None:
        """Return the result of the confirmations, on a scale and among some configurations.

        :func:`sweeps.analysis.contest.contest_of` chooses which finalists are compared.

        Returns:
            The comparison of the configurations ``among``, by default of all finalists; None without a
            confirmation.
        """
        contest = self.contest
        if contest is None:
            return None
        names = among or contest.finalists
        baselines = [row["trial_id"] for row in self._record.trials if row["is_baseline"]]
        return ConfirmationResult(
            self._seed_scores(names, scale).without(self._infeasible_over_seeds(names)),
            contest,
            next((name for name in baselines if name in names), None),
        )

    @cached_property
    def contest(self) -> Contest | None:
        """The comparison of finalists that is the sweep's result; None without a confirmation."""
        return contest_of(self._record)

    def seed_scores(self, scale: Scale) -> SeedScores:
        """Return the scores over seeds of every configuration that any confirmation trained."""
        return self._seed_scores(list(dict.fromkeys(row["of"] for row in self._record.replicas)), scale)

    def evidence(self, scale: Scale) -> Evidence:
        """Return what is known about the noise of seeds on a scale."""
        facts, spec = self._record.facts, self._record.facts["spec"]
        return Evidence.on(scale, Setting(spec.get("dataset"), facts.get("extractor"), spec.get("train")))

    def noise(self, scale: Scale) -> float | None:
        """Return the median distance between two seeds of one configuration; None if it is unknown."""
        steps = {row["config"].get("steps", 0) for row in self._record.trials}
        return self.evidence(scale).distance_of_two_seeds(self.seed_scores(scale).on_scale.values, steps)

    def _infeasible_over_seeds(self, names: Sequence[str]) -> Flags:
        """Return which configurations break a constraint on average over fresh seeds: they cannot win."""
        rows = [row for row in self._record.replicas if row["final"] is not None]
        judged = [[judged_metrics(row) for row in rows if row["of"] == name] for name in names]
        return infeasible_over_seeds(self._constraints, judged)

    def _seed_scores(self, names: Sequence[str], scale: Scale) -> SeedScores:
        return SeedScores.from_rows(self._record.replicas, names, scale, self.evidence(scale))

    def finalists(self, top: int) -> list[dict[str, Any]]:
        """Return the record's rows of the best configurations, the defaults not counted, and of the defaults.

        Configurations that differ in their seed alone count as one. Trials that break a constraint are
        left out. The defaults come last.

        Raises:
            UnknownTrialError: No trial has ended with a score yet, or none of them meets the constraints.
        """
        rows = {row["trial_id"]: row for row in self._record.trials}
        ranked = self.of_search()
        has_score = ranked["rank"].notna() & ranked["status"].isin([Status.COMPLETED, Status.PRUNED])
        can_win = ~ranked["trial_id"].isin(self.infeasible)
        defaults = [row for row in rows.values() if row["is_baseline"]]
        found: list[dict[str, Any]] = []
        for trial_id in ranked["trial_id"][has_score & can_win]:
            known = any(same_but_for_the_seed(rows[trial_id], row) for row in (*found, *defaults))
            if len(found) < top and not known:
                found.append(rows[trial_id])
        if not (has_score & can_win).any():
            name = self._record.folder.name
            if has_score.any():
                met = in_words(self._constraints)
                raise UnknownTrialError(f"no trial of the sweep {name} meets its constraints, {met}")
            raise UnknownTrialError(f"no trial of the sweep {name} has ended with a score yet")
        return found + defaults

    def pareto(self, metrics: Sequence[str]) -> pd.DataFrame:
        """Return the trials that no other trial dominates in some metrics.

        Raises:
            SweepError: A metric is unknown.
        """
        scales = [self._frames.scale(name) for name in metrics]
        goals = [
            {"name": scale.metric, "goal": "minimize" if scale.less_is_better else "maximize"}
            for scale in scales
        ]
        ranked = self.of_search(scales[0].metric).set_index("trial_id", drop=False)
        trials, with_final = self._frames.trials, self._frames.with_final
        is_out = trials["status"].isin(FAILURES) | trials["trial_id"].isin(self.infeasible)
        frame = trials[~is_out].set_index("trial_id")
        frame = frame[frame.index.isin(with_final)] if with_final else frame
        front = frame.index[pareto_front(frame, goals)]
        kept = ranked[ranked["trial_id"].isin(front)].drop(columns="pareto", errors="ignore")
        others = frame.reindex(columns=[each.metric for each in scales if each.metric not in kept.columns])
        return kept.join(others).reset_index(drop=True)

    def _with_gain(self, scale: Scale) -> pd.DataFrame:
        """Return the trials with ``has_final``, ``gain`` and their floors, failed trials without scores.

        A final score is compared with the final score of the defaults, any other score with that of the
        defaults' best report: scores depend on the number of samples.
        """
        metric, frame = scale.metric, self._frames.trials
        metrics = {metric, *(each["name"] for each in self._frames.objectives)}
        scores = frame.reindex(columns=list(metrics), fill_value=np.nan)
        frame = frame.assign(**scores.mask(frame["status"].isin(FAILURES)))
        has_final = frame["trial_id"].isin(self._frames.with_final)
        baseline = next((row for row in self._record.trials if row["is_baseline"]), None)
        at_best_report = ((baseline or {}).get("best_metrics") or {}).get(metric, np.nan)
        at_end = row_scores(baseline).get(metric, np.nan) if baseline else np.nan
        gain = scale.gain(frame[metric].to_numpy(dtype=float), np.where(has_final, at_end, at_best_report))
        floors = self._floors(frame["samples"], metric)
        return self._with_place(frame.assign(has_final=has_final, gain=gain).join(floors), metric)

    def _with_place(self, frame: pd.DataFrame, metric: str) -> pd.DataFrame:
        """Return the trials with ``feasible`` and ``place``, by which they are sorted first.

        The places are 0 for a trial that meets the constraints, 1 if that is unknown, 2 for a trial that
        breaks one, and 3 for a trial without a score. Without constraints all trials have the same place.
        """
        if not self._constraints:
            return frame.assign(place=0)
        frame = frame.join(self.feasible.rename("feasible"), on="trial_id")
        judged = {row["trial_id"]: judged_metrics(row) for row in self._record.trials}
        for name in {each.metric for each in self._constraints} - {*frame.columns}:
            values = [judged[trial_id].get(name) for trial_id in frame["trial_id"]]
            frame[name] = pd.Series(values, index=frame.index, dtype=float)
        place = frame["feasible"].map({True: 0, False: 2}).astype("Int64").fillna(1)
        return frame.assign(place=place.where(frame[metric].notna(), 3))

    @cached_property
    def feasible(self) -> pd.Series:
        """Which trials meet all constraints of the sweep, by trial; an empty cell means unknown."""
        return feasible_column(self._constraints, self._record.trials if self._constraints else [])

    @cached_property
    def infeasible(self) -> list[str]:
        """The trials that break a constraint of the sweep: none of them can win."""
        return list(self.feasible.index[self.feasible.isin([False])])

    def _with_configurations(self, frame: pd.DataFrame, scale: Scale) -> pd.DataFrame:
        """Return the trials with ``mean_in_search``, ``seeds_in_search`` and the columns that order them.

        A trial without a final score has no mean. It is compared by its own score. A further seed has the
        place of the first trial of its configuration.
        """
        found = Standings.from_rows(self._record.trials, scale).estimates(self.evidence(scale))
        means = pd.Series(np.where(found.can_win, found.mean, np.inf), index=found.names)
        configuration = frame["of"].fillna(frame["trial_id"])
        own = pd.Series(scale.to_scale(frame[scale.metric].to_numpy(dtype=float)), index=frame.index)
        of_final = frame["has_final"]
        seeds = configuration.map(pd.Series(found.scores.n, index=found.names)).where(of_final)
        shown = pd.Series(scale.from_scale(found.mean), index=found.names)
        places = frame.set_index("trial_id")["place"]
        return frame.assign(
            place=configuration.map(places).where(frame[scale.metric].notna(), frame["place"]),
            configuration=configuration,
            is_further=frame["of"].notna(),
            on_scale=configuration.map(means).where(of_final, own),
            mean_in_search=configuration.map(shown).where(of_final),
            seeds_in_search=seeds.astype("Int64"),
        )

    def _floors(self, samples: pd.Series, metric: str) -> pd.DataFrame:
        """Return ``floor`` and ``floor_images`` beside scores that rest on numbers of samples."""
        facts = self._record.facts
        found = {n: floors_of(facts, int(n)) for n in samples.dropna().unique()}
        floor = {n: floors.scores.get(metric, np.nan) for n, floors in found.items() if floors}
        images = {n: floors.images for n, floors in found.items() if floors and floors.is_of_fewer(n)}
        return pd.DataFrame(
            {
                "floor": samples.map(floor).astype(float),
                "floor_images": samples.map(images).astype("Int64"),
            }
        )

    def _with_seeds(self, frame: pd.DataFrame, scale: Scale) -> pd.DataFrame:
        """Return the trials with their scores over fresh seeds, and with ``tie``."""
        frame = frame.join(self.seed_scores(scale).means()[_OVER_SEEDS], on="trial_id")
        frame["seeds"] = frame["seeds"].astype("Int64")
        return frame.assign(tie=self._ties(frame, scale))

    def _ties(self, frame: pd.DataFrame, scale: Scale) -> pd.Series:
        """Return which trials tie with the confirmation's winner.

        For a finalist, the confirmation decides. Any other trial has one score, the luckiest of many: it is
        no tie if even that score is significantly worse than the winner. Otherwise a tie is unknown.
        """
        tie = pd.Series(pd.NA, index=frame.index, dtype="boolean")
        result = self.confirmation(scale)
        if result is None or result.winner is None:
            return tie
        configuration = frame["of"].fillna(frame["trial_id"])
        verdicts = configuration.map(result.frame().set_index("trial_id")["verdict"])
        is_known = verdicts.notna() & (verdicts != UNKNOWN)
        tie = tie.mask(is_known, verdicts.isin([WINNER, LEADING, TIE]).astype("boolean"))
        singles = frame[frame["has_final"] & verdicts.isna() & frame[scale.metric].notna()]
        values = scale.to_scale(singles[scale.metric].to_numpy(dtype=float))
        tie.loc[singles.index[result.are_worse(values)]] = False
        return tie


def ranks(scores: pd.Series, configurations: pd.Series | None = None) -> pd.Series:
    """Return the ranks of scores in their order, from 1; empty where there is no score.

    Args:
        scores: The scores, best first.
        configurations: The configuration of each score, if scores of one configuration share a rank.
    """
    places = range(len(scores)) if configurations is None else pd.factorize(configurations)[0]
    return (pd.Series(places, index=scores.index, dtype="Int64") + 1).where(scores.notna())


def pareto_front(frame: pd.DataFrame, objectives: Sequence[dict[str, str]]) -> pd.Series:
    """Return which trials no other trial dominates; a trial without a score is never among them.

    In the order of the scores, only a trial that is before another and on the front can dominate it.
    """
    signs = [1 if each["goal"] == "minimize" else -1 for each in objectives]
    scores = frame.reindex(columns=[each["name"] for each in objectives]).to_numpy(dtype=float) * signs
    known = np.flatnonzero(~np.isnan(scores).any(axis=1))
    front = np.empty((0, len(objectives)))
    is_on_it = np.zeros(len(frame), dtype=bool)
    for index in known[np.lexsort(scores[known].T[::-1])]:
        row = scores[index]
        if not ((front <= row).all(axis=1) & (front < row).any(axis=1)).any():
            front = np.vstack([front, row])
            is_on_it[index] = True
    return pd.Series(is_on_it, index=frame.index)
