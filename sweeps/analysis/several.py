"""Read several sweeps as one."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from gan_core.datasets import FOLDER
from sweeps.analysis.confirmation import UNRANKED
from sweeps.analysis.leaderboard import ranks
from sweeps.analysis.statistics import Scale
from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.comparability import EXTRACTOR, IMAGES, in_short
from sweeps.record.status import Stage


class Sweeps:
    """Several sweeps as one; their tables have a column ``sweep``.

    Args:
        sweeps: Two or more sweeps with the same dataset and the same extractor.

    Raises:
        SweepError: Their scores cannot be compared; the message says what differs.
    """

    def __init__(self, sweeps: Sequence[Sweep]) -> None:
        self._sweeps = list(sweeps)
        differences = [*_differences(self._sweeps)]
        if differences:
            raise SweepError(f"these sweeps cannot be compared: {'; '.join(differences)}")

    @property
    def name(self) -> str:
        """The names of all sweeps."""
        return ", ".join(sweep.name for sweep in self._sweeps)

    @property
    def facts(self) -> dict[str, Any]:
        """The facts of the first sweep: what scores are measured with is equal in all."""
        return self._sweeps[0].facts

    def scale(self, by: str | None = None) -> Scale:
        """Return the scale of a metric (:meth:`Sweep.scale`), by default of the first sweep's metric."""
        return self._sweeps[0].scale(by)

    def failures(self, by: str = "loss") -> pd.DataFrame:
        """Return how many trials failed, by ``kind`` and a parameter, in all sweeps."""
        joined = pd.concat([sweep.failures(by) for sweep in self._sweeps])
        return joined.groupby(["kind", by], sort=False)["trials"].sum().reset_index()

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial, with the columns of :attr:`Sweep.trials`."""
        return self._joined([sweep.trials for sweep in self._sweeps])

    @property
    def history(self) -> pd.DataFrame:
        """One row per report, with the columns of :attr:`Sweep.history`."""
        return self._joined([sweep.history for sweep in self._sweeps])

    def rank(
        self,
        by: str | None = None,
        top: int | None = None,
        stage: str = Stage.SEARCH,
        where: str | None = None,
    ) -> pd.DataFrame:
        """Return the trials of all sweeps, best first, with the columns of :meth:`Sweep.rank`.

        Each gain is over the defaults of the trial's own sweep. There is no ``tie``: the spread over seeds
        is known within one sweep only.

        Raises:
            SweepError: The sweeps have different metrics and ``by`` is not given, or :meth:`Sweep.rank`
                fails.
        """
        metrics = dict.fromkeys(sweep.metric for sweep in self._sweeps)
        if by is None and len(metrics) > 1:
            raise SweepError(
                f"these sweeps have different metrics: {', '.join(metrics)}; choose one with --by METRIC"
            )
        frame = self._joined([sweep.rank(by, stage=stage, where=where) for sweep in self._sweeps])
        with_final = {trial_id for sweep in self._sweeps for trial_id in sweep.with_final}
        is_search = stage == Stage.SEARCH
        key = self.scale(by).metric if is_search else "mean"
        is_last = ~frame["trial_id"].isin(with_final) if is_search else frame["verdict"].isin(UNRANKED)
        frame = frame.assign(
            is_unscored=frame[key].isna(),
            is_infeasible=frame["feasible"].isin([False]) if "feasible" in frame else False,
            is_last=is_last,
            compared=frame[key],
        )
        order = dict.fromkeys(["is_unscored", "is_infeasible", "is_last"], True)
        order["compared"] = self.scale(by).less_is_better
        if has_seeds := is_search and "of" in frame:
            frame = _by_configuration(frame)
            order["configuration"] = True
        frame = frame.sort_values([*order], ascending=[*order.values()], kind="stable", ignore_index=True)
        frame["rank"] = ranks(frame[key], frame["configuration"] if has_seeds else None)
        added = [*order, "tie"]
        return frame.drop(columns=added, errors="ignore").head(len(frame) if top is None else top)

    def _joined(self, frames: list[pd.DataFrame]) -> pd.DataFrame:
        named = []
        for sweep, frame in zip(self._sweeps, frames, strict=True):
            frame = frame.copy()
            frame.insert(0, "sweep", sweep.name)
            named.append(frame)
        return pd.concat([frame for frame in named if len(frame)] or named[:1], ignore_index=True)


def _by_configuration(frame: pd.DataFrame) -> pd.DataFrame:
    """Return trials with ``configuration``, and with what a further seed has from its first trial."""
    configuration = frame["sweep"] + "/" + frame["of"].fillna(frame["trial_id"])
    of_first = frame.set_index(frame["sweep"] + "/" + frame["trial_id"])["is_infeasible"]
    return frame.assign(
        configuration=configuration,
        is_infeasible=configuration.map(of_first).fillna(frame["is_infeasible"]).astype(bool),
        compared=frame["mean_in_search"].fillna(frame["compared"]),
    )


def _differences(sweeps: Sequence[Sweep]) -> list[str]:
    """Return what makes scores of sweeps incomparable.

    Before its first report a sweep has neither images nor an extractor, and records of earlier versions have
    no images: the dataset and the size of its images are compared then.
    """
    images, extractors = (
        [fact and in_short(fact) for fact in (sweep.facts.get(name) for sweep in sweeps)]
        for name in (IMAGES, EXTRACTOR)
    )
    compared: dict[str, list[Any]] = {}
    if not all(images) or len(set(images)) > 1:
        keys = "dataset", "image_size", "channels"
        compared = {key: [sweep.facts["spec"].get(key) for sweep in sweeps] for key in keys}
    compared["split"] = [_split_of(sweep) for sweep in sweeps]
    found = []
    compared["reference"] = [sweep.facts["spec"].get("reference", "held-out") for sweep in sweeps]
    for what, values in (compared | {IMAGES: images, EXTRACTOR: extractors}).items():
        known = set(values) - ({None} if what in {IMAGES, EXTRACTOR, "split"} else set())
        if len(known) > 1:
            each = (f"{sweep.name} {value}" for sweep, value in zip(sweeps, values, strict=True))
            verb = "differ" if what == IMAGES else "differs"
            found.append(f"{what} {verb} ({', '.join(each)})")
    return found


def _split_of(sweep: Sweep) -> str | None:
    """Return the rule that chose the held-out images of a folder; None for other datasets and if unknown."""
    if not sweep.facts["spec"].get("dataset", "").startswith(FOLDER) or EXTRACTOR not in sweep.facts:
        return None
    return str(sweep.facts.get(IMAGES, {}).get("split", "by place"))
