"""A sweep: its tables, rankings and statistics, read from its record."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.analysis.columns import column_of
from sweeps.analysis.frames import Frames
from sweeps.analysis.leaderboard import Leaderboard
from sweeps.analysis.rows import kind_of_failure, row_scores
from sweeps.analysis.summary import summary_of
from sweeps.errors import SweepError, UnknownTrialError, warn_deprecated
from sweeps.record.code import versions_in
from sweeps.record.layout import samples_file
from sweeps.record.reading import Record, overall_status, read_ledger, read_reports
from sweeps.record.status import FAILURES, Stage, Status
from sweeps.words import counted

if TYPE_CHECKING:
    from gan_core import Generator
    from gan_core.loop_generator import LoopGenerator
    from sweeps.analysis.confirmation import ConfirmationResult
    from sweeps.analysis.judgement import Judgement
    from sweeps.analysis.statistics import Scale


class Sweep:
    """A sweep, running or ended: the content of its record at the time of loading.

    A Sweep needs neither Ray nor MLflow. :meth:`refresh` reads the record of a running sweep again.

    Args:
        record: The record of the sweep.
    """

    def __init__(self, record: Record) -> None:
        self._use(record)

    def _use(self, record: Record) -> None:
        self._record = record
        self._frames = Frames(record)
        self._leaderboard = Leaderboard(self._frames)

    def __repr__(self) -> str:
        n_trials = counted(len(self._record.trials), "trial")
        best = self.summary()["best"]
        score = f", best {self.metric} {best[self.metric]:.4g} ({best['trial_id']})" if best else ""
        return f"<Sweep {self.name!r}: {overall_status(self.facts)}, {n_trials}{score}>"

    def refresh(self) -> "Sweep":
        """Read the record again, and return this sweep: its tables then have the trials and reports of now.

        Raises:
            UnknownSweepError: The sweep's folder is missing.
            SweepError: The record is damaged, or another version wrote it.
        """
        self._use(read_ledger(self.name, self.folder.parent).interrupted_if_killed())
        return self

    @property
    def folder(self) -> Path:
        """The folder of the sweep: ``results/NAME``."""
        return self._record.folder

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self.folder.name

    @property
    def facts(self) -> dict[str, Any]:
        """The record's facts of the whole sweep: ``spec``, ``status``, ``floors``, ``extractor``, ..."""
        return self._record.facts

    @property
    def metric(self) -> str:
        """The name of the primary metric, by which the search compares trials."""
        return self._frames.metric

    @property
    def metrics(self) -> list[str]:
        """The names of all metrics that the sweep optimises, the primary one first."""
        return [each["name"] for each in self._frames.objectives]

    @property
    def less_is_better(self) -> bool:
        """Whether a lower score of the primary metric is better."""
        return self._frames.less_is_better

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, in the order of suggestions.

        ``trial_id``, ``of`` (the trial that this one repeats on another seed, else None), ``status``,
        ``is_baseline``, ``flags`` (what went wrong and since which step), ``step``
        (steps reported), ``best_step`` (the step of the best report), ``search_fid`` (the score of that
        report, by which the search compares trials; ``search_kid`` if kid is the metric), ``samples``,
        ``fid`` and the other scores, ``reason`` and ``traceback`` (of a failure), ``seconds``, and a column
        for every parameter, empty for a trial without that parameter. The parameter ``precision`` is the
        column ``precision_of_training``: ``precision`` is a score.

        The scores of a completed trial are final ones, of ``final_samples`` images that the weights of its
        best report make from fresh noise. The scores of any other trial are those of its best report, of
        ``eval_samples`` images.
        """
        return self._frames.trials

    @property
    def replicas(self) -> pd.DataFrame:
        """One row per trial of the confirmation, with the columns of ``trials``; ``of`` is the finalist."""
        return self._frames.replicas

    @property
    def history(self) -> pd.DataFrame:
        """One row per report: ``trial_id``, ``step``, ``lineage``, and a column for each metric.

        With ``pbt`` a trial that takes over a state reports again from an earlier step: ``lineage`` is the
        number of take-overs that the trial had made by the report.
        """
        return self._frames.history

    @property
    def with_final(self) -> list[str]:
        """The trials that have final scores."""
        return self._frames.with_final

    @property
    def has_seeds(self) -> bool:
        """Whether the search trained configurations on further seeds."""
        return self._frames.has_seeds

    @property
    def searched(self) -> list[str]:
        """The parameters that differ between trials, by their columns in ``trials``."""
        return self._frames.searched

    @property
    def logarithmic(self) -> list[str]:
        """The searched parameters that are sampled on a logarithmic scale."""
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
        """Return the trials by a metric, best first.

        Trials with a final score come before those without: fid depends on the number of samples. Trials
        without a score come last, without a rank. A trial that diverged or failed has no score, whatever it
        reported before.

        Args:
            by: The metric; by default the sweep's primary metric.
            top: The number of rows; by default all.
            stage: ``search``, or ``confirm`` for the finalists over fresh seeds: the columns of
                :meth:`sweeps.analysis.confirmation.ConfirmationResult.frame`, the search's score, and
                :meth:`sweeps.analysis.confirmation.ConfirmationResult.gains`.
            where: A condition that trials must fulfil (:func:`sweeps.analysis.where.matching`).

        Returns:
            ``rank`` from 1, ``trial_id``, ``status``, the metric (``fid``), ``samples`` (the images that the
            score is measured on), ``floor`` (the score of as many real images), ``floor_images`` (their
            number, if there are fewer), ``gain`` over the defaults, ``step``, ``flags``, ``took_over`` (the
            trials that this trial took states from, and at which steps; only if any did), ``retries`` (how
            often it was trained again after its worker died; only if any was), ``is_baseline``, and a column
            for each searched parameter, empty for a trial without that parameter.

            ``gain`` compares scores of equally many samples. For fid it is a ratio: 2 is half the defaults'
            fid. For every other metric it is a difference, positive for a better score: kid may be 0 or
            negative, and then a ratio means nothing.

            If the sweep optimises several metrics, the others come after the first, and ``pareto`` says
            whether no other trial is at least as good in all of them and better in one.

            If the search trained configurations on further seeds, they are ranked by ``mean_in_search``, the
            estimated mean over the ``seeds_in_search`` seeds with a score
            (:mod:`sweeps.analysis.configurations`). The trials of one configuration follow one another and
            have one rank; ``of`` is the first of them, and empty in its own row.

            If the sweep is confirmed, ``mean``, ``mean_low`` and ``mean_high`` (the 95 % interval of the
            mean) and ``seeds`` are those of the fresh seeds. ``tie`` says whether a trial is not
            significantly worse than the winner. It is empty for a trial outside of the confirmation, unless
            the single score of the trial is significantly worse.

        Raises:
            SweepError: The metric or the stage is unknown, or the condition is invalid.
        """
        if stage == Stage.CONFIRM:
            frame = self._leaderboard.of_confirmation(by, where)
        elif stage == Stage.SEARCH:
            frame = self._leaderboard.of_search(by, where)
        else:
            raise SweepError(f"no stage {stage!r}; {allowed_and_closest(stage, Stage)}")
        return frame.head(len(frame) if top is None else top)

    def pareto(self, *metrics: str) -> pd.DataFrame:
        """Return the trials that no other trial dominates in every metric, with the columns of :meth:`rank`.

        Args:
            metrics: Two or more; by default those of the sweep. If any trial has a final score, trials
                without one are left out: their scores are of fewer samples.

        Raises:
            SweepError: A metric is unknown.
        """
        return self._leaderboard.pareto(metrics or self.metrics)

    def finalists(self, top: int) -> list[dict[str, Any]]:
        """Return the record's rows of the best configurations, the defaults not counted, and of the defaults.

        Configurations that differ in their seed alone count as one.

        Raises:
            UnknownTrialError: No trial has ended with a score yet.
        """
        return self._leaderboard.finalists(top)

    def confirmed(
        self, by: str | None = None, among: Sequence[str] | None = None
    ) -> "ConfirmationResult | None":
        """Return the result of the confirmations; None without a confirmation.

        It is the last confirmation. If that has not ended, an earlier one that has ended remains the result
        (:func:`sweeps.analysis.contest.contest_of`).

        Args:
            by: The metric; by default the sweep's primary metric.
            among: Compare these trials' configurations alone; by default the finalists.
        """
        return self._leaderboard.confirmation(self.scale(by), among)

    def judge(self, trial_id: str) -> "Judgement":
        """Judge whether a trial's gain over the defaults is significant, by the primary metric.

        See :func:`sweeps.analysis.judgement.judge`.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        from sweeps.analysis.judgement import judge

        self._row(trial_id)
        return judge(self._frames, self._leaderboard, trial_id)

    def noise(self, by: str | None = None) -> float | None:
        """Return how far the scores of two seeds of one configuration typically lie apart, on the scale.

        It is known from recorded replicas if they have the metric, the kind of dataset, the extractor and the
        training loop of this sweep, and its trials train as many steps as shorter and longer replicas.
        Otherwise it is known from this sweep's own confirmation.

        Returns:
            The median distance; of fid that of the logarithms. None if it is unknown.
        """
        return self._leaderboard.noise(self.scale(by))

    def scale(self, by: str | None = None) -> "Scale":
        """Return the scale on which scores of a metric are compared, by default of the primary metric.

        Raises:
            SweepError: The sweep does not measure the metric.
        """
        return self._frames.scale(by)

    def importances(self) -> pd.DataFrame:
        """Return how much each searched parameter matters: ``parameter``, ``importance``, greatest first.

        See :func:`sweeps.analysis.importances.parameter_importances`.
        """
        from sweeps.analysis.importances import parameter_importances

        shares = parameter_importances(self.trials, self.searched, self.metric, logarithmic=self.logarithmic)
        return shares.rename_axis("parameter").rename("importance").reset_index()

    def best_of_k(self, by: str | None = None) -> pd.DataFrame:
        """Return the expected score of the best of k trials, for each value of a parameter.

        See :func:`sweeps.analysis.best_of_k.expected_best_by`.

        Args:
            by: A parameter, for example ``loss``; by default all trials together.

        Returns:
            A column named after the parameter (``of`` without one), ``trials`` (k, from 1), ``mean``, ``low``
            and ``high``.

        Raises:
            SweepError: The parameter is unknown.
        """
        from sweeps.analysis.best_of_k import expected_best_by

        if by is not None and by not in self.trials.columns:
            raise SweepError(f"no parameter {by!r}; {allowed_and_closest(by, self.searched)}")
        return expected_best_by(self.trials, self.metric, by)

    def failures(self, by: str = "loss") -> pd.DataFrame:
        """Return how many trials failed, by ``kind`` (diverged, or the error's name) and a parameter."""
        failed = [row for row in self._record.trials if row["status"] in FAILURES]
        counts = Counter((kind_of_failure(row), str(row["config"].get(by, "-"))) for row in failed)
        rows = [(kind, value, n) for (kind, value), n in counts.most_common()]
        return pd.DataFrame(rows, columns=["kind", by, "trials"])

    def summary(self) -> dict[str, Any]:
        """Return the sweep in a few JSON values: counts by status, best trial, baseline, floors."""
        return summary_of(self._frames, self._leaderboard)

    def samples_file(self, trial_id: str, step: int | None = None) -> Path:
        """Return the sample grid of a trial's report at a step, by default of its best report.

        Raises:
            UnknownTrialError: The trial has no report.
        """
        best_steps = {row["trial_id"]: row["best_step"] for row in self._record.trials}
        of_step = best_steps.get(trial_id) if step is None else step
        if of_step is None:
            raise UnknownTrialError(f"the trial {trial_id} of the sweep {self.name} made no report")
        return samples_file(self.folder, trial_id, of_step)

    def generator(
        self, trial_id: str | None = None, *, allow_imports: bool = False
    ) -> "Generator | LoopGenerator":
        """Load a trial's generator (:func:`sweeps.generators.kept.load_generator`).

        Args:
            trial_id: The trial; the confirmation's winner, or the best trial with a kept generator, if it is
                None.
            allow_imports: Whether to import the code that the trial names by import path, which runs that
                code.

        Raises:
            UnknownTrialError: The sweep does not keep that generator.
            ImportPathError: The trial names code by import path, and ``allow_imports`` is False.
            LoopError: The training loop cannot rebuild its generator.
            SweepError: The rebuilt generator draws other images than the recorded ones.
            CorruptedCheckpointError: The file is damaged.
        """
        from sweeps.generators.kept import load_generator

        return load_generator(self, trial_id, allow_imports=allow_imports)

    def best_with_weights(self) -> str:
        """Return :func:`sweeps.generators.kept.best_trial`; deprecated."""
        from sweeps.generators.kept import best_trial

        warn_deprecated("Sweep.best_with_weights", "sweeps.generators.kept.best_trial")
        return best_trial(self)

    def weights_file(self, trial_id: str) -> Path:
        """Return :func:`sweeps.generators.kept.generator_file`; deprecated."""
        from sweeps.generators.kept import generator_file

        warn_deprecated("Sweep.weights_file", "sweeps.generators.kept.generator_file")
        return generator_file(self, trial_id)

    def config_of(self, trial_id: str) -> dict[str, Any]:
        """Return every parameter of a trial.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        return dict(self._row(trial_id)["config"])

    def params_of(self, trial_id: str) -> dict[str, Any]:
        """Return the searched parameters of a trial, by their columns in ``trials``.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        return {column_of(name): value for name, value in self._row(trial_id)["params"].items()}

    def scores_of(self, trial_id: str) -> dict[str, float]:
        """Return a trial's scores, as in ``trials``, and ``samples``, the number of images they rest on.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        return row_scores(self._row(trial_id))

    def take_overs_of(self, trial_id: str) -> list[dict[str, Any]]:
        """Return the trials that a trial took states from, at which steps, and with which parameters.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        return list(self._row(trial_id)["take_overs"])

    def rules_of(self, trial_id: str) -> int | None:
        """Return the version of the training rules (:mod:`gan_core.rules`) that a trial was last trained by.

        None means that an earlier version recorded the trial.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        places = self._row(trial_id)["places"]
        return places[-1].get("rules") if places else None

    def code_of(self, trial_id: str) -> list[int]:
        """Return the versions of the user's own code that a trial was trained with, by number, from 1.

        ``facts["code"]`` lists the versions. There are several if the code changed and the trial resumed, and
        none if the sweep trains gan_core's own parts, or if an earlier version recorded the trial.

        Raises:
            UnknownTrialError: The sweep has no such trial.
        """
        return versions_in(self._row(trial_id))

    def _row(self, trial_id: str) -> dict[str, Any]:
        """Return the record's row of a trial of the search or of the confirmation."""
        rows = {row["trial_id"]: row for row in (*self._record.trials, *self._record.replicas)}
        if trial_id not in rows:
            closest = allowed_and_closest(trial_id, rows)
            raise UnknownTrialError(f"no trial {trial_id!r} in the sweep {self.name}; {closest}")
        return rows[trial_id]

    def reports_of(self, trial_id: str) -> dict[int, dict[str, float]]:
        """Return the metrics of a trial's reports, by step.

        Raises:
            UnknownTrialError: The trial has no report.
        """
        reports = (report for stage in Stage for report in read_reports(self.folder, stage))
        rows = [report for report in reports if report["trial_id"] == trial_id]
        if not rows:
            raise UnknownTrialError(f"the trial {trial_id} of the sweep {self.name} made no report")
        return {
            row["step"]: {
                name: value for name, value in row.items() if name not in {"trial_id", "step", "lineage"}
            }
            for row in rows
        }

    def count(self, status: Status) -> int:
        """Return how many trials of the search have this status."""
        return sum(row["status"] == status for row in self._record.trials)

    def count_replicas(self, status: Status) -> int:
        """Return how many trials of the confirmation have this status."""
        return sum(row["status"] == status for row in self._record.replicas)
