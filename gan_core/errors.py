"""What can go wrong in :mod:`gan_core`.

::

    GanCoreError
    ├── UnknownNameError          no loss, architecture or dataset of that name (also a ValueError)
    ├── ImportPathError           what an import path names cannot be used (also a ValueError)
    │   └── ImportsNotAllowedError  it is one, and nobody has said that its code may run
    ├── ContractError             a component does not do what every one of its kind must
    ├── DatasetError              a dataset is not fit to train on (also a ValueError)
    ├── DatasetUnavailableError   its files are neither there nor to be downloaded (also an OSError)
    ├── CacheError                the directory of downloaded files cannot be written (also an OSError)
    ├── CorruptedAssetError       a packaged file is not the one that was released
    ├── ExtractorUnavailableError what images are to be compared with cannot be had
    ├── CorruptedCheckpointError  a checkpoint is not what was written
    ├── CheckpointMismatchError   a checkpoint is of another training
    └── TrainingDiverged          a loss, a gradient or an image is no longer finite
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class GanCoreError(Exception):
    """Base of every error that gan_core raises on purpose."""


class UnknownNameError(GanCoreError, ValueError):
    """No component of this kind has this name; the message lists those that exist."""

    def __init__(self, kind: str, name: str, allowed: Iterable[str]) -> None:
        self.kind, self.name, self.allowed = kind, name, list(allowed)
        super().__init__(f"unknown {kind} {name!r}; {allowed_and_closest(name, self.allowed)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, list[str]]]:
        return type(self), (self.kind, self.name, self.allowed)


class ImportPathError(GanCoreError, ValueError):
    """There is no such module or attribute, the module fails, or the attribute is not what is needed."""


class ImportsNotAllowedError(ImportPathError):
    """An import path stands in a file, and nobody has said that its code may run."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path} names code, which would be run: where you trust it, add --allow-imports (in Python:"
            " allow_imports=True)"
        )

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.path,)


class ContractError(GanCoreError):
    """A component returns what none of its kind may, or it does not train; the message says which and why."""


class DatasetError(GanCoreError, ValueError):
    """A folder or a function has no images that can be trained on; the message says what they must be."""


class DatasetUnavailableError(GanCoreError, OSError):
    """A dataset's files are not in the cache directory, or damaged, and cannot be downloaded."""


class CacheError(GanCoreError, OSError):
    """The directory of downloaded files cannot be made or written."""


class CorruptedAssetError(GanCoreError):
    """A file that ships with the package does not have the SHA-256 it was released with."""


class ExtractorUnavailableError(GanCoreError):
    """The features that images are to be compared in cannot be had; the message says what to do."""


class CorruptedCheckpointError(GanCoreError):
    """A checkpoint does not have the SHA-256 that was written with it, or a generator's file is none."""


class CheckpointMismatchError(GanCoreError, ValueError):
    """A checkpoint is of another training.

    Args:
        differing: The parameters, or dataset and extractor, that differ, with their values there and here.
    """

    def __init__(self, differing: Mapping[str, tuple[object, object]]) -> None:
        self.differing = dict(sorted(differing.items()))
        told = ", ".join(
            name if name in {"dataset", "extractor"} else f"{name} ({there!r} there, {here!r} here)"
            for name, (there, here) in self.differing.items()
        )
        super().__init__(f"the checkpoint is of another training, which differs in {told}")

    @property
    def names(self) -> list[str]:
        """The names of what differs, sorted."""
        return list(self.differing)

    def __reduce__(self) -> tuple[type, tuple[dict[str, tuple[object, object]]]]:
        return type(self), (self.differing,)


class TrainingDiverged(GanCoreError):  # noqa: N818 - an outcome of training, not a mistake of the caller
    """A loss, a gradient or an image is NaN or infinite; found before the weights are updated with it.

    Args:
        step: The step, counted from 1, at which it was found.
        name: What is not finite: ``d_loss``, ``d_gradient``, ``g_loss``, ``g_gradient`` or ``samples``.
        value: Its value: NaN, inf or -inf.
    """

    def __init__(self, step: int, name: str, value: float) -> None:
        self.step, self.name, self.value = step, name, value
        super().__init__(f"{name} is {value} at step {step}")

    def __reduce__(self) -> tuple[type, tuple[int, str, float]]:
        return type(self), (self.step, self.name, self.value)


def allowed_and_closest(name: str, allowed: Iterable[str]) -> str:
    """Return ``allowed: a, b`` and, where a name is close, ``did you mean 'a'?``.

    >>> allowed_and_closest("lsgam", ["bce", "lsgan"])
    "allowed: bce, lsgan; did you mean 'lsgan'?"
    """
    allowed = list(allowed)
    return f"allowed: {', '.join(allowed)}{closest(name, allowed)}"


def closest(name: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean 'a'?`` where a name is close to one that is allowed, else nothing.

    >>> closest("MyPiar", ["MyLoss", "MyPair"])
    "; did you mean 'MyPair'?"
    """
    matches = get_close_matches(name, allowed, n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def in_one_line(error: BaseException) -> str:
    """Return an exception's class and the first line of its message.

    >>> in_one_line(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])
