"""Constraints on reported metrics: ``copies <= 0.05``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gan_core.errors import allowed_and_closest
from gan_core.metric_names import SCORE_NAMES
from gan_core.step_metrics import STEP_METRICS

METRICS = (*sorted(SCORE_NAMES), "images_per_s", *STEP_METRICS)
"""What gan_core's own training reports; a training loop of the user's reports its own metrics, too."""

SHARES = ("precision", "recall", "coverage", "copies")
"""Metrics of gan_core that lie between 0 and 1."""

_PATTERN = re.compile(r"\s*([A-Za-z_][\w./-]*)\s*(<=|>=)\s*([^\s<>=]+)\s*")
_OTHER_SIGNS = re.compile(r"[^<>=]*(=>|=<|<|>)[^<>=]*")


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
            other = _OTHER_SIGNS.fullmatch(text)
            hint = f"; type {'<=' if '<' in other[1] else '>='} instead of {other[1]}" if other else ""
            rule = "expected METRIC <= NUMBER or METRIC >= NUMBER, for example copies <= 0.05"
            raise ValueError(f"{rule}{hint}")
        return cls(parts[1], parts[2] == "<=", bound)

    def __str__(self) -> str:
        return f"{self.metric} {'<=' if self.is_upper else '>='} {self.bound:g}"

    def excludes(self, other: "Constraint") -> bool:
        """Return whether no value of the metric meets both this bound and another one."""
        lower, upper = (other, self) if self.is_upper else (self, other)
        is_pair = self.metric == other.metric and self.is_upper is not other.is_upper
        return is_pair and lower.bound > upper.bound

    @property
    def is_impossible(self) -> bool:
        """Whether no value of the metric meets the bound: a share lies between 0 and 1."""
        return self.metric in SHARES and (self.bound < 0 if self.is_upper else self.bound > 1)

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


def unreported(constraints: Iterable[Constraint], metrics: Iterable[str]) -> str | None:
    """Return a message about the first constraint on a metric that a user's loop does not report, or None.

    Args:
        constraints: The constraints.
        metrics: The names of the metrics that the loop reports. Scores of samples count as reported.
    """
    known = [*metrics]
    known += sorted(SCORE_NAMES.difference(known))
    for constraint in constraints:
        if constraint.metric not in known:
            allowed = allowed_and_closest(constraint.metric, known)
            return f"constraints: {constraint}: the training loop reports no {constraint.metric!r}; {allowed}"
    return None


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
