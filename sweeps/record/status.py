"""How a trial stands, and what it is for."""

from enum import StrEnum


class Status(StrEnum):
    """How a trial stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    """It took all its steps."""
    PRUNED = "pruned"
    """The scheduler stopped it: others did better with as many reports."""
    DIVERGED = "diverged"
    """A loss was not finite any more."""
    CRASHED = "crashed"
    """An error ended it."""
    INTERRUPTED = "interrupted"
    """The sweep was stopped while it ran."""

    def is_finished(self) -> bool:
        """Return whether the trial has ended, in whatever way."""
        return self is not Status.RUNNING

    @property
    def words(self) -> str:
        """The status as people say it."""
        return {"pruned": "stopped early", "crashed": "failed"}.get(self, self)


FAILURES = (Status.DIVERGED, Status.CRASHED)
"""How a trial ends that has no score."""


class Stage(StrEnum):
    """What a trial is for."""

    SEARCH = "search"
    """To find a configuration."""
    CONFIRM = "confirm"
    """To train one that was found again, from scratch on another seed."""


class Mishap(StrEnum):
    """What happened to a trial that went on all the same."""

    DEATH = "death"
    """Its worker died, and it was trained again from its last checkpoint."""
    CHECKPOINT = "checkpoint"
    """A checkpoint was damaged or gone, and it went on from an older state."""


SPEED = "images_per_s"
"""The one metric that is not the same twice."""
