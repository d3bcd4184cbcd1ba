"""The status, the stage and the mishaps of a trial."""

from enum import StrEnum


class Status(StrEnum):
    """The status of a trial."""

    RUNNING = "running"
    COMPLETED = "completed"
    """The trial took all its steps."""
    PRUNED = "pruned"
    """The scheduler stopped the trial early: others were better after as many reports."""
    DIVERGED = "diverged"
    """A loss became infinite or NaN."""
    CRASHED = "crashed"
    """An error ended the trial."""
    INTERRUPTED = "interrupted"
    """The sweep was stopped while the trial ran."""

    def is_finished(self) -> bool:
        """Return whether the trial has ended."""
        return self is not Status.RUNNING

    @property
    def words(self) -> str:
        """The status in words for people."""
        return {"pruned": "stopped early", "crashed": "failed"}.get(self, self)


FAILURES = (Status.DIVERGED, Status.CRASHED)
"""The statuses of trials without a score."""


class Stage(StrEnum):
    """The stage of a sweep that a trial belongs to."""

    SEARCH = "search"
    """Trials that look for a configuration."""
    CONFIRM = "confirm"
    """Trials that train a configuration from scratch on another seed."""


class Mishap(StrEnum):
    """A fault that a trial survived."""

    DEATH = "death"
    """The worker died, and the trial resumed from its last checkpoint."""
    CHECKPOINT = "checkpoint"
    """A checkpoint was damaged or missing, and the trial resumed from an older state."""
    END = "end"
    """The training loop did not end after the trial, and its worker was ended."""


SPEED = "images_per_s"
"""The one metric that differs when a trial is repeated."""
