"""What a report of a training loop shows, and where two reports differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

GPU_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Observed:
    """What one report of a loop shows.

    Args:
        step: The number of completed steps.
        sample: The samples, on the CPU.
        metrics: The loop's own metrics without its times, by name.
        state: The state after it was saved and loaded; None if the loop yields none.
        weights: The weights of the generator; None if the loop yields none.
    """

    step: int
    sample: Tensor
    metrics: Mapping[str, float]
    state: Any
    weights: dict[str, Tensor] | None

    @property
    def parts(self) -> dict[str, Any]:
        """The parts to compare by their names in messages: the state first, because it causes the samples."""
        metrics = {f"the metric {name}": value for name, value in sorted(self.metrics.items())}
        return {"state()": self.state, **metrics, "sample": self.sample}


class Comparison:
    """Compare reports: exactly on a CPU, and approximately on any other device.

    Args:
        device: The device of the training.
    """

    def __init__(self, device: torch.device) -> None:
        self.is_exact = device.type == "cpu"

    def difference(self, one: Observed, other: Observed) -> str | None:
        """Return the name of the first part that differs, or None."""
        names = {**one.parts, **other.parts}
        found = (self._differing(name, one.parts.get(name), other.parts.get(name)) for name in names)
        return next(filter(None, found), None)

    def are_equal(self, one: object, other: object) -> bool:
        """Return whether two tensors, numbers or texts are equal; NaN equals NaN."""
        if isinstance(one, Tensor) and isinstance(other, Tensor):
            if self.is_exact or one.shape != other.shape or not one.is_floating_point():
                return torch.equal(one, other) or (one.dtype == torch.uint8 and not self.is_exact)
            return torch.allclose(one, other, GPU_TOLERANCE, GPU_TOLERANCE, equal_nan=True)
        if isinstance(one, float) and isinstance(other, float) and not self.is_exact:
            return abs(one - other) <= GPU_TOLERANCE * max(1.0, abs(one))
        return one == other or (one != one and other != other)

    def _differing(self, path: str, one: object, other: object) -> str | None:
        """Return the path of the first value that differs, or None."""
        pairs = _pairs(one, other)
        if pairs is None:
            return None if self.are_equal(one, other) else path
        found = (self._differing(f"{path}[{key!r}]", *values) for key, *values in pairs)
        return next(filter(None, found), None)


def _pairs(one: object, other: object) -> Iterator[tuple[Any, ...]] | None:
    """Return the key or index and the values of each pair of parts; None if these cannot be paired."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return ((key, one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        return ((index, *pair) for index, pair in enumerate(zip(one, other, strict=True)))
    return None
