"""A replayed trial, as schedulers and samplers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from benchmarks.recordings import Floats


class State(Enum):
    """What a replayed trial does."""

    RUNNING = auto()
    PAUSED = auto()
    STOPPED = auto()
    COMPLETE = auto()


@dataclass(eq=False)
class ReplayedTrial:
    """A trial, as Ray's schedulers see it.

    Args:
        trial_id: Ray's ID of the trial.
        config: The suggestion.
        scores: The best fid so far at each report, up to the last report that the trial can make.
        clean: The same without noise.
        reports: The number of reports made.
        state: What the trial does.
    """

    trial_id: str
    config: Mapping[str, Any]
    scores: Floats
    clean: Floats
    reports: int = 0
    state: State = State.RUNNING

    @property
    def number(self) -> int:
        """The trial's number in its search."""
        return int(self.config["number"])

    @property
    def is_baseline(self) -> bool:
        """Whether the trial has the tutorial's defaults; no rule stops it."""
        return bool(self.config["is_baseline"])

    @property
    def configuration(self) -> str:
        """The trial that trained the same parameters first."""
        return str(self.config.get("of") or self.config["trial_id"])

    @property
    def score(self) -> float:
        """The best fid so far."""
        return float(self.scores[self.reports - 1])

    @property
    def truth(self) -> float:
        """The best fid so far, without noise."""
        return float(self.clean[self.reports - 1])

    @property
    def step(self) -> int:
        """The training steps taken."""
        return self.reports * int(self.config["config"]["report_every"])

    def report(self) -> dict[str, Any]:
        """Make the next report; return the part of the trainable's result that a search reads."""
        self.reports += 1
        is_done = self.reports == len(self.scores)
        return {
            "status": "completed" if is_done else "running",
            "done": is_done,
            "step": self.step,
            "reports": self.reports,
            "training_iteration": self.reports,
            "score": self.score,
            "objectives": [self.score],
        }
