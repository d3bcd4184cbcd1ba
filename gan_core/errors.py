"""The exceptions of :mod:`gan_core`.

::

    GanCoreError
    ├── UnknownNameError          no component, dataset or extractor has this name (also a ValueError)
    ├── ImportPathError           an import path does not lead to a valid component (also a ValueError)
    │   └── ImportsNotAllowedError  this process may not import from import paths
    ├── ContractError             a component breaks the contract of its kind
    ├── LoopError                 a training loop breaks the protocol of training loops
    ├── DatasetError              a dataset is not valid for training (also a ValueError)
    ├── DatasetUnavailableError   a dataset's files are missing and cannot be downloaded (also an OSError)
    ├── CacheError                the cache directory cannot be written (also an OSError)
    ├── CorruptedAssetError       a file of weights is corrupted
    ├── ExtractorUnavailableError no feature extractor is available for these images
    ├── CorruptedCheckpointError  a file of a checkpoint or generator is corrupted
    ├── CheckpointMismatchError   a checkpoint belongs to a different training run (also a ValueError)
    └── TrainingDiverged          a loss, a gradient or an image is not finite
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class GanCoreError(Exception):
    """The base class of every exception that gan_core defines."""


class UnknownNameError(GanCoreError, ValueError):
    """No component of this kind has this name; the message lists the allowed names."""

    def __init__(self, kind: str, name: str, allowed: Iterable[str]) -> None:
        self.kind, self.name, self.allowed = kind, name, list(allowed)
        super().__init__(f"unknown {kind} {name!r}; {allowed_and_closest(name, self.allowed)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, list[str]]]:
        return type(self), (self.kind, self.name, self.allowed)


class ImportPathError(GanCoreError, ValueError):
    """The module or attribute is missing, fails to import, or is not a component of the right kind."""


class ImportsNotAllowedError(ImportPathError):
    """A file names a component by import path, and the user has not allowed its code to run."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path} names code, and importing it runs that code: if you trust it, add --allow-imports (in"
            " Python: allow_imports=True)"
        )

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return type(self), (self.path,)


class ContractError(GanCoreError):
    """A component returns an invalid value or does not train; the message names it and the fault."""


class LoopError(GanCoreError):
    """A training loop breaks the protocol; the message names the loop, the fault and the remedy."""


class DatasetError(GanCoreError, ValueError):
    """A folder or a function has no valid training images; the message states the requirement."""


class DatasetUnavailableError(GanCoreError, OSError):
    """A dataset's files are missing from the cache directory or corrupted, and cannot be downloaded."""


class CacheError(GanCoreError, OSError):
    """The cache directory cannot be created or written."""


class CorruptedAssetError(GanCoreError):
    """A file of weights, packaged or cached, is corrupted."""


class ExtractorUnavailableError(GanCoreError):
    """No feature extractor is available; the message says what to do."""


class CorruptedCheckpointError(GanCoreError):
    """A checkpoint does not match its SHA-256, or a file is not a saved checkpoint or generator."""


RULES = "rules"
"""The name of the training rules in a :class:`CheckpointMismatchError`."""


class CheckpointMismatchError(GanCoreError, ValueError):
    """A checkpoint belongs to a different training run.

    Args:
        differing: The hyperparameters, dataset, extractor or training rules that differ, each with its value
            in the checkpoint and its value in this run.
    """

    def __init__(self, differing: Mapping[str, tuple[object, object]]) -> None:
        self.differing = dict(sorted(differing.items()))
        differences = ", ".join(
            name
            if name in {"dataset", "extractor"}
            else f"{name} (checkpoint: {there!r}, this run: {here!r})"
            for name, (there, here) in self.differing.items()
        )
        super().__init__(
            f"an earlier version wrote the checkpoint and trained by other rules: now {differing[RULES][1]}"
            if RULES in differing
            else f"the checkpoint belongs to a different training run, which differs in {differences}"
        )

    @property
    def names(self) -> list[str]:
        """The sorted names of the differing values."""
        return list(self.differing)

    def __reduce__(self) -> tuple[type, tuple[dict[str, tuple[object, object]]]]:
        return type(self), (self.differing,)


class TrainingDiverged(GanCoreError):  # noqa: N818 - an outcome of training, not a mistake of the caller
    """A loss, a gradient or an image is NaN or infinite; no weights were updated with it.

    Args:
        step: The step that computed it, counted from 1.
        name: ``d_loss``, ``d_gradient``, ``g_loss``, ``g_gradient`` or ``samples``.
        value: NaN, inf or -inf.
    """

    def __init__(self, step: int, name: str, value: float) -> None:
        self.step, self.name, self.value = step, name, value
        super().__init__(f"{name} is {value} at step {step}")

    def __reduce__(self) -> tuple[type, tuple[int, str, float]]:
        return type(self), (self.step, self.name, self.value)


def allowed_and_closest(name: str, allowed: Iterable[str]) -> str:
    """Return ``allowed: a, b`` and, if an allowed name is close to ``name``, ``did you mean 'a'?``.

    >>> allowed_and_closest("lsgam", ["bce", "lsgan"])
    "allowed: bce, lsgan; did you mean 'lsgan'?"
    """
    allowed = list(allowed)
    return f"allowed: {', '.join(allowed)}{closest(name, allowed)}"


def closest(name: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean 'a'?`` if an allowed name is close to ``name``, else an empty string.

    >>> closest("MyPiar", ["MyLoss", "MyPair"])
    "; did you mean 'MyPair'?"
    """
    matches = get_close_matches(name, allowed, n=1)
    return f"; did you mean {str(matches[0])!r}?" if matches else ""


def in_one_line(error: BaseException) -> str:
    r"""Return an exception's class and the first line of its message, or two lines if the first is a title.

    >>> in_one_line(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    >>> in_one_line(RuntimeError("Error(s) in loading:\n\tMissing key(s): weight.\n\tMore"))
    'RuntimeError: Error(s) in loading: Missing key(s): weight.'
    """
    first, *others = str(error).strip().splitlines() or [""]
    lines = [first, *others[: first.endswith(":")]]
    return ": ".join(filter(None, [type(error).__name__, " ".join(line.strip() for line in lines)]))
