"""Read, from the facts of a record, what its scores are measured with: the classifier and the floors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gan_core.accuracy import Accuracy


@dataclass(frozen=True)
class Floors:
    """The scores of real images, beside those of a number of samples.

    Args:
        scores: The scores, by metric.
        images: The number of real images: that of the samples, or all there are; None in a record of an
            earlier version, which has the scores of up to 10,000 images beside any number of samples.
    """

    scores: Mapping[str, float]
    images: int | None

    def is_of_fewer(self, samples: int) -> bool:
        """Whether there are fewer real images than samples."""
        return self.images is not None and self.images < samples


def floors_of(facts: Mapping[str, Any], samples: int | None) -> Floors | None:
    """Return the floors beside the scores of ``samples`` images; None if the record has none."""
    found = facts.get("floors_by_samples", {}).get(str(samples))
    if found is not None:
        return Floors(found["scores"], found["images"])
    of_earlier_version = facts.get("floors")
    return None if of_earlier_version is None else Floors(of_earlier_version, None)


def accuracy_of(facts: Mapping[str, Any]) -> Accuracy | None:
    """Return the accuracy of the classifier that scores are measured with; None if it is unknown."""
    found = facts.get("accuracy")
    return None if found is None else Accuracy(**found)
