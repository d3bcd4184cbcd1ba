"""How good a classifier is: the features of a poor one say little about images."""

from dataclasses import dataclass
from math import exp, lgamma, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a classifier on held-out images.

    Args:
        share: The share of the images whose predicted class is their label, in [0, 1].
        chance: The share of the largest class: the accuracy of naming that class for every image.
        images: The number of images.
    """

    share: float
    chance: float
    images: int

    @classmethod
    def measure(cls, logits: "Tensor", labels: "Tensor") -> "Accuracy":
        """Compare class logits ``(N, K)`` with labels ``(N,)``."""
        right = logits.argmax(1).cpu() == labels.cpu()
        return cls(float(right.double().mean()), int(labels.bincount().max()) / len(labels), len(labels))

    @property
    def is_significant(self) -> bool:
        """Whether the accuracy is significantly above chance: a one-sided binomial test at 5 %."""
        return binomial_tail(round(self.share * self.images), self.images, self.chance) < SIGNIFICANCE

    @property
    def is_chance(self) -> bool:
        """Whether the accuracy is no better than chance, on enough images to say so.

        The images are enough if a classifier half-way from chance to 1 would be significantly better with a
        probability of at least 95 %.
        """
        needed = next(
            count
            for count in range(self.images + 2)
            if binomial_tail(count, self.images, self.chance) < SIGNIFICANCE
        )
        power = binomial_tail(needed, self.images, (1 + self.chance) / 2)
        return not self.is_significant and power >= 1 - SIGNIFICANCE

    @property
    def is_weak(self) -> bool:
        """Whether the accuracy is below half-way from chance to 1."""
        return self.share < (1 + self.chance) / 2

    def __str__(self) -> str:
        return (
            f"right on {100 * self.share:.1f} % of {self.images:,} held-out images (the largest class:"
            f" {100 * self.chance:.1f} %)"
        )


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return the probability of at least ``successes`` in ``trials``.

    >>> round(binomial_tail(9, 10, 0.5), 4)
    0.0107
    """
    if probability in {0.0, 1.0}:
        return float(successes <= trials * probability)
    counts = range(successes, trials + 1)
    return min(1.0, sum(exp(_log_binomial(count, trials, probability)) for count in counts))


def _log_binomial(count: int, trials: int, probability: float) -> float:
    ways = lgamma(trials + 1) - lgamma(count + 1) - lgamma(trials - count + 1)
    return ways + count * log(probability) + (trials - count) * log(1 - probability)
