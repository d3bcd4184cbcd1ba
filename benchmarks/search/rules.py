"""Describe search rules: a sampler, when trials stop, and the score that the sampler gets for those."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import EnumType, StrEnum
from typing import Any

from benchmarks.search.world import World
from sweeps.spec.model import SweepSpec

MOST_TRIALS = 10**6


class Stopping(StrEnum):
    """When trials stop."""

    NONE = "none"
    ASHA = "asha"
    HYPERBAND = "hyperband"
    PROMOTE = "promote"
    DISCARD = "discard"
    CLAIRVOYANT = "clairvoyant"


class StoppedScore(StrEnum):
    """The score that the sampler gets for a trial that was stopped early."""

    PRUNED = "pruned"
    COMPLETE = "complete"
    EXTRAPOLATED = "extrapolated"
    DEEPEST = "deepest"


class By(StrEnum):
    """What a search chooses its incumbent by."""

    SCORE = "score"
    TRUTH = "truth"


@dataclass(frozen=True)
class Rule:
    """A search rule.

    Args:
        method: The sampler: a ``method`` of a search-space file.
        stopping: When trials stop.
        stopped_score: The score that the sampler gets for a stopped trial.
        by: What the incumbent is chosen by; ``truth`` means: without noise, which no search knows.
        min_iter: The number of reports before a trial may be stopped.
        eta: At each rung, one in ``eta`` trials continues.
        top: With ``discard``, the number of trials that continue.
        seeds: The most trainings of one configuration; with more than 1, the last quarter of the reports
            trains the configurations that lead on further seeds, and the incumbent is chosen by means.
    """

    method: str = "tpe"
    stopping: Stopping = Stopping.NONE
    stopped_score: StoppedScore = StoppedScore.PRUNED
    by: By = By.SCORE
    min_iter: int = 1
    eta: int = 3
    top: int = 3
    seeds: int = 1

    @property
    def is_the_projects(self) -> bool:
        """Whether the project's own search can run the rule.

        Otherwise, the study is written anew before each suggestion (:mod:`benchmarks.search.stopped_scores`).
        """
        return self.stopped_score is StoppedScore.PRUNED and self.stopping not in {
            Stopping.PROMOTE,
            Stopping.DISCARD,
        }

    def spec(self, world: World, seed: int) -> SweepSpec:
        """Return the spec of a sweep by this rule."""
        parameters = {name: {"value": value} for name, value in world.fixed.items()}
        rungs = {"min_iter": self.min_iter, "eta": self.eta, "seeds": self.seeds}
        return SweepSpec.model_validate(
            {
                "name": "replay",
                "method": self.method,
                "trials": MOST_TRIALS,
                "seed": seed,
                "parameters": parameters | world.space,
                "early_terminate": {"type": "asha" if self.stopping is Stopping.ASHA else "none"} | rungs,
            }
        )

    def asha(self, bracket: int) -> "Rule":
        """Return ASHA with the first rung of one of Hyperband's brackets."""
        return replace(self, stopping=Stopping.ASHA, min_iter=self.min_iter * self.eta**bracket)


NUMBERS = ("min_iter", "eta", "top", "seeds")
KINDS: dict[str, Callable[[str], Any]] = {
    "stopped_score": StoppedScore,
    "by": By,
    **dict.fromkeys(NUMBERS, int),
}


def rule(text: str) -> Rule:
    """Return the rule that a text describes, for example ``tpe+asha,eta=4,stopped_score=complete``.

    Raises:
        ValueError: The text describes no rule.
    """
    head, *settings = text.split(",")
    method, _, stopping = head.partition("+")
    found = Rule(method, _value("rule", Stopping, stopping or Stopping.NONE))
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in KINDS:
            raise ValueError(f"{text}: a rule has no {name!r}; allowed: {', '.join(KINDS)}")
        found = replace(found, **{name: _value(name, KINDS[name], value)})
    if found.seeds > 1 and not found.is_the_projects:
        raise ValueError(f"{text}: seeds excludes promote, discard and stopped_score: remove one of them")
    return found


def _value(name: str, kind: Callable[[str], Any], text: str) -> Any:  # noqa: ANN401 - of that kind
    try:
        return kind(text)
    except ValueError as error:
        allowed = f"; allowed: {', '.join(kind)}" if isinstance(kind, EnumType) else ""
        raise ValueError(f"{name} cannot be {text!r}{allowed}") from error


DEFAULT_RULES = (
    "tpe+asha",
    "tpe+asha,seeds=3",
    "random+asha",
    "tpe",
    "random",
    "tpe+hyperband",
    "tpe+promote",
    "random+discard",
    "tpe+discard",
    "random+clairvoyant",
    "random+clairvoyant,by=truth",
)
"""The rules to compare, by default; the first one is the project's."""

STOPPED_SCORE_RULES = tuple(f"tpe+asha,stopped_score={stopped_score}" for stopped_score in StoppedScore)
"""The project's rule with each kind of score that the sampler may get for a stopped trial."""
