"""Check that the disk has room for a sweep, before the sweep starts and while it runs."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from sweeps.errors import DiskFullError
from sweeps.spec.model import SweepSpec
from sweeps.words import megabytes

SHAPES = {"cifar10": (3, 32, 32)}
DIGIT_SHAPE = (1, 28, 28)
FOLDER_SIZE, FOLDER_CHANNELS = 64, 3
BYTES_A_REPORT = 20_000
BYTES_A_PIXEL = 104
"""Bytes per pixel of a sample grid, summed over its 64 images, as a PNG and in MLflow: measured on digits."""

BYTES_A_TRIAL_OF_THE_RECORD = 20_000
"""Bytes of a trial in the record, its copy and Optuna's study."""

BYTES_OF_A_SWEEP = 20_000_000
"""Bytes of the report page and MLflow's tables."""

BYTES_OF_WEIGHTS = 6_000_000
BYTES_OF_A_CHECKPOINT = 40_000_000
"""The size of the MLP, the larger of the tutorial's pairs, in a checkpoint: with the optimizers' state."""

GENERATIONS = 3
"""Checkpoints of a running trial: the newest, the previous one, and the one being written."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")


def image_shape(spec: SweepSpec) -> tuple[int, int, int] | None:
    """Return channels, height and width of a sweep's images, or None if only loading them would tell."""
    if spec.dataset.startswith("folder:"):
        size = spec.image_size or FOLDER_SIZE
        return spec.channels or FOLDER_CHANNELS, size, size
    return None if ":" in spec.dataset else SHAPES.get(spec.dataset, DIGIT_SHAPE)


def bytes_needed(spec: SweepSpec, trainings: int, at_once: int) -> float:
    """Estimate how much a sweep writes, in bytes: samples, record, weights and checkpoints.

    Args:
        spec: The sweep.
        trainings: The number of trainings, those of the confirmation included.
        at_once: The number of trainings that run at a time.
    """
    channels, height, width = image_shape(spec) or DIGIT_SHAPE
    a_report = BYTES_A_REPORT + BYTES_A_PIXEL * channels * height * width
    a_training = spec.reports_per_trial * a_report + BYTES_A_TRIAL_OF_THE_RECORD
    kept = min(spec.max_trials, spec.keep + 1 + 2 * spec.seed_trials) * BYTES_OF_WEIGHTS
    running = bytes_of_running(trainings, at_once)
    return float(BYTES_OF_A_SWEEP + trainings * a_training + kept + running)


def bytes_of_running(trainings: int, at_once: int) -> float:
    """Estimate the bytes of the checkpoints that are deleted when their trainings end.

    Args:
        trainings: The number of trainings.
        at_once: The number of trainings that run at a time.
    """
    return float(min(trainings, at_once) * GENERATIONS * BYTES_OF_A_CHECKPOINT)


def check_room(results: Path, needed: float) -> None:
    """Check that the disk has room for what a sweep will write.

    Raises:
        DiskFullError: The disk has less room.
    """
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DiskFullError(
            f"{results}: the sweep needs about {megabytes(needed)}, and the disk of {there} has"
            f" {megabytes(free)} left: make room, choose another folder (--results DIR), or write less: fewer"
            " trials, reports (report_every) or kept generators (keep)"
        )


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one of its causes, means that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in _WORDS):
            return True
        error = error.__cause__ or error.__context__ or getattr(error, "cause", None)
    return False


@contextmanager
def disk_full_as_error(folder: Path) -> Iterator[None]:
    """Raise one error with instructions, whatever error a full disk caused.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_full(error):
            raise
        raise disk_full_error(folder) from error


def disk_full_error(folder: Path) -> DiskFullError:
    """Return the error for a full disk, that of the sweep or that of temporary files."""
    own = folder if folder.exists() else folder.parent
    free, elsewhere = _free_bytes(own), Path(gettempdir())
    place = folder
    if _free_bytes(elsewhere) < min(free, BYTES_OF_A_CHECKPOINT):
        place, free = elsewhere, _free_bytes(elsewhere)
    return DiskFullError(
        f"{place}: the disk is full. It has {megabytes(free)} left, and each running trial needs about"
        f" {megabytes(GENERATIONS * BYTES_OF_A_CHECKPOINT)}. Everything recorded so far is safe: make room,"
        f" then type gan-sweep resume {folder.name}"
    )


def _free_bytes(place: Path) -> int:
    return shutil.disk_usage(place).free
