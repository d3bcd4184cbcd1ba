"""Constraints on reported metrics: ``copies <= 0.05``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gan_core.metric_names import SCORE_NAMES
from gan_core.step_metrics import STEP_METRICS

METRICS = (*sorted(SCORE_NAMES), "images_per_s", *STEP_METRICS)
"""What gan_core's own training reports; a training loop of the user's reports its own metrics, too."""

_PATTERN = re.compile(r"\s*([A-Za-z_][\w./-]*)\s*(<=|>=)\s*([^\s<>=]+)\s*")


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric.

    Args:
        metric: The metric.
        is_upper: Whether the metric must be at most ``bound``, else at least.
        bound: The bound.
    """

    metric: str
    is_upper: bool
    bound: float

    @classmethod
    def parse(cls, text: str) -> "Constraint":
        """Return the constraint that a text describes.

        >>> Constraint.parse("copies<=5e-2")
        Constraint(metric='copies', is_upper=True, bound=0.05)

        Raises:
            ValueError: The text is not METRIC <= NUMBER or METRIC >= NUMBER.
        """
        parts = _PATTERN.fullmatch(text)
        try:
            bound = float(parts[3]) if parts else float("nan")
        except ValueError:
            bound = float("nan")
        if parts is None or not isfinite(bound):
            raise ValueError("expected METRIC <= NUMBER or METRIC >= NUMBER, for example copies <= 0.05")
        return cls(parts[1], parts[2] == "<=", bound)

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.is_upper else '>='} {self.bound:g}"

    def violation(self, metrics: Mapping[str, Any]) -> float | None:
        """Return how far metrics are on the wrong side of the bound.

        Returns:
            At most 0 if they meet it; None if the metric is missing or not finite.
        """
        value = metrics.get(self.metric)
        if value is None or not isfinite(value):
            return None
        return float(value - self.bound if self.is_upper else self.bound - value)


def parsed(texts: Iterable[str]) -> list[Constraint]:
    """Return the constraints that some texts describe.

    Raises:
        ValueError: A text is not a constraint.
    """
    return [Constraint.parse(text) for text in texts]


def are_met(constraints: Sequence[Constraint], metrics: Mapping[str, Any]) -> bool | None:
    """Return whether metrics meet all constraints; None if a missing metric decides it.

    >>> copies = [Constraint.parse("copies <= 0.05")]
    >>> are_met(copies, {"copies": 0.01}), are_met(copies, {"copies": 0.1}), are_met(copies, {"fid": 1.0})
    (True, False, None)
    """
    violations = [constraint.violation(metrics) for constraint in constraints]
    if any(violation is not None and violation > 0 for violation in violations):
        return False
    return None if None in violations else True


def in_words(constraints: Iterable[Constraint]) -> str:
    """Return constraints as a part of a sentence: ``copies <= 0.05 and recall >= 0.3``."""
    return " and ".join(map(str, constraints))
