"""Whether there is room for a sweep, before it starts and while it runs."""

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
"""A grid of 64 images, kept as PNG, and as PNG and WebP for the dashboard: as measured on digits."""

BYTES_A_TRIAL_OF_THE_LEDGER = 20_000
"""In the ledger, its copy and Optuna's study."""

BYTES_OF_A_SWEEP = 20_000_000
"""Its report page, and MLflow's tables."""

BYTES_OF_WEIGHTS = 6_000_000
BYTES_OF_A_CHECKPOINT = 40_000_000
"""Of the tutorial's networks, the larger of which is the MLP: weights, and with the optimisers' state."""

GENERATIONS = 3
"""Of a running trial's checkpoint: the newest, the one before it, and the one that is being written."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WORDS = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")


def image_shape(spec: SweepSpec) -> tuple[int, int, int] | None:
    """Return channels, height and width of a sweep's images, None where they would have to be loaded."""
    if spec.dataset.startswith("folder:"):
        size = spec.image_size or FOLDER_SIZE
        return spec.channels or FOLDER_CHANNELS, size, size
    return None if ":" in spec.dataset else SHAPES.get(spec.dataset, DIGIT_SHAPE)


def bytes_needed(spec: SweepSpec, trainings: int, at_once: int) -> float:
    """Return about how much a sweep writes: samples, ledger, weights, and checkpoints while trials run.

    Args:
        spec: The sweep.
        trainings: Of the search and its confirmation.
        at_once: How many are under way at a time.
    """
    channels, height, width = image_shape(spec) or DIGIT_SHAPE
    a_report = BYTES_A_REPORT + BYTES_A_PIXEL * channels * height * width
    a_training = spec.reports_per_trial * a_report + BYTES_A_TRIAL_OF_THE_LEDGER
    kept = min(spec.trials, spec.keep + 1) * BYTES_OF_WEIGHTS
    running = min(trainings, at_once) * GENERATIONS * BYTES_OF_A_CHECKPOINT
    return float(BYTES_OF_A_SWEEP + trainings * a_training + kept + running)


def check_room(results: Path, needed: float) -> None:
    """Check that what a sweep will write finds room.

    Raises:
        DiskFullError: There is less.
    """
    there = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise DiskFullError(
            f"{results}: the sweep needs about {megabytes(needed)}, and {megabytes(free)} are free where"
            f" {there} lies: make room, choose another place (--results DIR), or search less: fewer trials,"
            " reports (report_every) or kept generators (keep)"
        )


def is_full(error: BaseException | None) -> bool:
    """Return whether an error, or what it was raised from, says that a disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(words in str(error) for words in _WORDS):
            return True
        error = error.__cause__ or error.__context__ or getattr(error, "cause", None)
    return False


@contextmanager
def told_when_full(folder: Path) -> Iterator[None]:
    """Tell of a full disk what to do, whoever found it.

    Raises:
        DiskFullError: The disk is full.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DiskFullError) or not is_full(error):
            raise
        raise full(folder) from error


def full(folder: Path) -> DiskFullError:
    """Return what is to be said where the disk of a sweep, or the temporary one, is full."""
    own = folder if folder.exists() else folder.parent
    free, elsewhere = _free_bytes(own), Path(gettempdir())
    place = folder
    if _free_bytes(elsewhere) < min(free, BYTES_OF_A_CHECKPOINT):
        place, free = elsewhere, _free_bytes(elsewhere)
    return DiskFullError(
        f"{place}: its disk is full, {megabytes(free)} are free, and a running trial alone needs about"
        f" {megabytes(GENERATIONS * BYTES_OF_A_CHECKPOINT)}. What is written so far is whole: make room, then"
        f" type gan-sweep resume {folder.name}"
    )


def _free_bytes(place: Path) -> int:
    return shutil.disk_usage(place).free
