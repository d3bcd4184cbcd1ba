"""Check what a training loop yields."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import index

from torch import nn

from gan_core.errors import LoopError
from gan_core.flags import FLAGS
from gan_core.loops.declaration import check_sample
from gan_core.loops.snapshot import Snapshot
from gan_core.metric_names import COLUMN_NAMES, SCORE_NAMES

METRIC_NAME = re.compile(r"[\w./: -]+", re.ASCII)
"""The metric names that MLflow accepts."""


def checked_snapshot(
    name: str, yielded: object, due: int, restored: int | None, *, takes_state: bool
) -> Snapshot:
    """Return the snapshot that a loop yielded.

    Args:
        name: The name of the loop, for messages.
        yielded: What the loop yielded.
        due: The step of the next report.
        restored: The step of the state that the loop was given, which it may yield again; None after that.
        takes_state: Whether the loop has the parameter ``state``.

    Raises:
        LoopError: It is not a snapshot of a step that is due, or a part of it is wrong.
    """
    if not isinstance(yielded, Snapshot):
        raise LoopError(f"{name} must yield a gan_core.Snapshot, got a {type(yielded).__name__}")
    snapshot = replace(yielded, step=_whole(name, yielded.step))
    if snapshot.step not in {due, restored}:
        raise LoopError(
            f"{name} yielded at step {snapshot.step}; the next report is due at step {due}: yield if"
            " config.reports_at(step)"
        )
    check_sample(name, snapshot.sample)
    for fault in (*_part_faults(snapshot), *_metric_faults(snapshot.metrics)):
        raise LoopError(f"{name}: {fault}")
    if snapshot.state is not None and not takes_state:
        raise LoopError(
            f"{name} yields a state, but cannot take one to resume: add the parameter 'state=None'"
        )
    return snapshot


def _whole(name: str, step: object) -> int:
    try:
        return index(step)  # type: ignore[arg-type] # the exception says what is wrong
    except TypeError:
        raise LoopError(
            f"{name}: the step of a snapshot must be a whole number, got a {type(step).__name__}"
        ) from None


def _part_faults(snapshot: Snapshot) -> Iterator[str]:
    """Yield the faults of the other parts of a snapshot that have a wrong type."""
    generator, state, grid = snapshot.generator, snapshot.state, snapshot.grid
    if state is not None and not callable(state):
        yield (
            f"state must be a function that returns the state, got a {type(state).__name__}: write"
            " 'state=lambda: ...'"
        )
    if generator is not None and not isinstance(generator, nn.Module):
        yield f"generator must be a torch.nn.Module, got a {type(generator).__name__}"
    if grid is not None and not callable(grid):
        yield f"grid must be a function that returns 64 images, got a {type(grid).__name__}"
    if not _are_sentences(snapshot.messages):
        yield f"messages must be a list of sentences, got {snapshot.messages!r}: write messages=['...']"
    if unknown := sorted(snapshot.signs.keys() - FLAGS):
        yield f"unknown sign {unknown[0]!r}; allowed: {', '.join(FLAGS)}"


def _are_sentences(messages: object) -> bool:
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        return False
    return all(isinstance(each, str) for each in messages)


def _metric_faults(metrics: Mapping[str, object]) -> Iterator[str]:
    """Yield the faults of the names of metrics."""
    if not isinstance(metrics, Mapping):
        yield f"metrics must be a dict, got a {type(metrics).__name__}"
        return
    if replaced := sorted(SCORE_NAMES & metrics.keys()):
        yield f"gan_core computes {', '.join(replaced)} itself: rename that metric of the snapshot"
    if taken := sorted(COLUMN_NAMES & metrics.keys()):
        yield f"{taken[0]} is a column of a sweep's tables: rename that metric of the snapshot"
    for metric in metrics:
        if not isinstance(metric, str) or not METRIC_NAME.fullmatch(metric):
            yield f"rename the metric {metric!r}: MLflow allows letters, digits, spaces and _ - . / :"
