"""Start a sweep from an earlier one: with its scores or, if scores are not comparable, by its ranks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

from optuna.trial import TrialState
from pydantic import TypeAdapter, ValidationError

from sweeps.analysis.confirmation import UNRANKED
from sweeps.analysis.loading import load
from sweeps.analysis.search_scores import first_trainings
from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.comparability import IMAGES, check_split, differences
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger
from sweeps.record.status import FAILURES, Stage
from sweeps.search.replay import ended_trials
from sweeps.spec.domains import AnyDomain, Scalar
from sweeps.spec.fields import Parameter
from sweeps.spec.model import SweepSpec

COMPARED = ("train", "dataset", "image_size", "channels", "extractor", "reference", "metric")
IGNORED = {"seed"}
"""Parameters that may differ: scores do not depend on their range."""

BEST_SHARE = 0.2
"""The share of an earlier sweep's trials that are worth trying first, if its scores are not comparable."""
MOST_POINTS = 5

_N_SHOWN = 4
"""The most differences that a message lists."""


@dataclass(frozen=True)
class Earlier:
    """An earlier sweep, and what a new one takes from it.

    Args:
        folder: The sweep's folder.
        facts: The facts of its record.
        differences: Why its scores are not comparable with those of the new sweep, each as a part of a
            message; empty if they are.
        points: Full points of the new space: the configurations of its best trials, the best one first, as
            far as the new space has their values. They are tried first if scores are not comparable.
        n_ranked: The number of its configurations that have a score and can win.
    """

    folder: Path
    facts: Mapping[str, Any]
    differences: tuple[str, ...]
    points: tuple[dict[str, Scalar], ...]
    n_ranked: int

    def measured(self, measure: Mapping[str, Any]) -> "Earlier":
        """Return what to take once it is known what the new scores are measured with.

        Raises:
            SweepError: Scores are not comparable, and the best configurations are no new points of the space.
        """
        found = [*_split_difference(self.facts, measure.get(IMAGES)), *differences(self.facts, measure)]
        earlier = replace(self, differences=(*self.differences, *found))
        earlier.check()
        return earlier

    def check(self) -> None:
        """Check that the new sweep can take something.

        Raises:
            SweepError: Scores are not comparable, and the best configurations are no new points of the space.
        """
        if self.differences and not self.points:
            nothing = "no trial of that sweep has a score and meets the constraints"
            if self.n_ranked:
                nothing = "its best configurations give the new sweep no new point to try"
            raise SweepError(f"{self._objection}, and {nothing}: leave --warm-start out")

    @property
    def sentence(self) -> str | None:
        """What the new sweep takes, and why, for the user; None if the sampler gets the scores."""
        if not self.differences:
            return None
        return (
            f"{self._objection}, so the sampler does not get them. Instead, this sweep first tries"
            f" {len(self.points)} of the best configurations of {self.folder.name}"
        )

    @property
    def _objection(self) -> str:
        """What differs, as the beginning of a sentence."""
        shown = "; ".join(self.differences[:_N_SHOWN])
        more = f"; and {len(self.differences) - _N_SHOWN} more" if len(self.differences) > _N_SHOWN else ""
        name = self.folder.name
        return (
            f"--warm-start {name}: the scores of {name} are not comparable with the new ones ({shown}{more})"
        )

    def scores_for(self, spec: SweepSpec) -> list[dict[str, Any]]:
        """Return the trials that the sampler gets, as :func:`scored_trials` does; none by ranks."""
        return [] if self.differences else scored_trials(spec, self.folder)

    @property
    def first_points(self) -> list[dict[str, Scalar]]:
        """The points that the new sweep tries first; none if the sampler gets the scores."""
        return [*self.points] if self.differences else []


def earlier_sweep(spec: SweepSpec, name: str, results: Path) -> Earlier:
    """Return an earlier sweep and what a new one can take from it, as far as their files say.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepError: Scores are not comparable, and its best configurations are no new points of the space.
    """
    sweep = load(name, results)
    found = [*_differences(spec.model_dump(mode="json"), sweep.facts["spec"])]
    found += _split_difference(sweep.facts)
    ranked = _best_first(sweep)
    points = tuple(_best_points(spec, sweep, ranked))
    earlier = Earlier(sweep.folder, sweep.facts, tuple(found), points, len(ranked))
    earlier.check()
    return earlier


def _split_difference(facts: Mapping[str, Any], images: Mapping[str, Any] | None = None) -> Iterator[str]:
    """Yield what differs if an earlier version chose the held-out images by another rule."""
    try:
        check_split("", facts, images)
    except SweepError:
        yield "an earlier version of gan-sweep held out other images"


def scored_trials(spec: SweepSpec, folder: Path) -> list[dict[str, Any]]:
    """Return, as JSON values, the ended trials of a sweep that have a score.

    Args:
        spec: A spec of the same space.
        folder: The sweep's folder.
    """
    past = Past.read(read_ledger(folder.name, folder.parent))
    return [
        {
            "params": trial.params,
            "state": trial.state.name,
            "values": trial.values if trial.state is TrialState.COMPLETE else None,
            "reports": [*trial.intermediate_values.items()],
            "constraints": trial.constraints,
        }
        for trial in ended_trials(spec.space, spec.metric, past, constraints=spec.parsed_constraints)
        if trial.state is not TrialState.FAIL
    ]


def _best_points(spec: SweepSpec, sweep: Sweep, ranked: Sequence[str]) -> Iterator[dict[str, Scalar]]:
    """Yield different points of the space from the best trials of a sweep, :data:`MOST_POINTS` at most.

    A value outside of the space is not used, and a parameter without a value has its default or the nearest
    value of the space. A trial without any value in the space yields no point.
    """
    found = spec.first_points()
    n = min(MOST_POINTS, ceil(BEST_SHARE * len(ranked)))
    for trial_id in ranked[:n]:
        config = sweep.config_of(trial_id)
        known = {
            name: config[name]
            for name, domain in spec.searched.items()
            if name not in IGNORED and config.get(name) is not None and domain.contains(config[name])
        }
        point = spec.full_point(known) if known else None
        if point and point not in found and spec.space.contains(point) and _is_valid(spec, point):
            found.append(point)
            yield point


def _best_first(sweep: Sweep) -> list[str]:
    """Return the trials with a score that can win: those of a confirmation by its means, then by rank.

    A configuration with further seeds counts once, as its first trial.
    """
    board = first_trainings(sweep.rank())
    board = board[board["rank"].notna() & ~board["status"].isin(FAILURES)]
    if "feasible" in board:
        board = board[~board["feasible"].isin([False])]
    confirmed = sweep.rank(stage=Stage.CONFIRM) if sweep.confirmed() else None
    first: list[str] = []
    if confirmed is not None:
        first = confirmed["trial_id"][~confirmed["verdict"].isin(UNRANKED)].tolist()
    can_win = board["trial_id"].tolist()
    return list(dict.fromkeys([*(trial_id for trial_id in first if trial_id in can_win), *can_win]))


def _is_valid(spec: SweepSpec, point: Mapping[str, Scalar]) -> bool:
    """Return whether a config accepts a point as a whole."""
    try:
        spec.trial_config(point, 0)
    except ValidationError:
        return False
    return True


def _differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for key in COMPARED:
        then = theirs[key] if key in theirs else SweepSpec.model_fields[key].default
        if ours[key] != then:
            yield f"{key} was {_in_short(then)} and is {_in_short(ours[key])}"
    parameters = ours["parameters"], theirs["parameters"]
    for name in dict.fromkeys([*parameters[0], *parameters[1]]):
        now, then = (each.get(name) for each in parameters)
        if now != then and name not in IGNORED:
            before, after = _in_words(then), _in_words(now)
            if before == after:
                before, after = _in_short(then), _in_short(now)
            yield f"{name} was {before} and is {after}"


def _in_words(parameter: object) -> str:
    """Return the values of a parameter as the preview shows them."""
    if parameter is None:
        return "the default"
    return TypeAdapter[AnyDomain](Parameter).validate_python(parameter).summary()


def _in_short(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_in_short(each)}" for key, each in value.items() if each) or "the default"
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_short, value)) + "]"
    return "the default" if value is None else str(value)
