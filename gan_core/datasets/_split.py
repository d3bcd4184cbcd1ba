"""The split of images into a training and a held-out part, by their content."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

HOLD_OUT_EVERY = 5

CONTENT_SPLIT = "content-1"
"""The rule of :func:`split_by_content`, in the record of sweeps; a change of the rule changes its number."""


@dataclass(frozen=True)
class Split:
    """Which images to train on and which to hold out.

    Args:
        train: The indices of the training images, ascending.
        held_out: The indices of the held-out images, ascending.
        copies: The number of images that are equal to an earlier one.
        dropped: The number of training images that are left out, because the held-out part contains them.
    """

    train: list[int]
    held_out: list[int]
    copies: int
    dropped: int = 0


def split_by_content(digests: Sequence[str], labels: Sequence[int] | None = None) -> Split:
    """Hold out a fifth of the distinct images: in each class, those with the lowest digests.

    Equal images lie on one side; their class is that of the first one. Each class has a fifth of its distinct
    images held out, rounded down. If a fifth of all distinct images is more than that, some classes hold out
    one image more, but none its last one. Because the digests decide and not the order of the images, a new
    image moves few of the others from one side to the other.

    Args:
        digests: A hash of each image's content.
        labels: The class of each image; None without classes.
    """
    class_of: dict[str, int] = {}
    for number, digest in enumerate(digests):
        class_of.setdefault(digest, 0 if labels is None else labels[number])
    members: dict[int, list[str]] = defaultdict(list)
    for digest in sorted(class_of):
        members[class_of[digest]].append(digest)
    held_out, next_ones = set[str](), list[str]()
    for distinct in members.values():
        share, rest = divmod(len(distinct), HOLD_OUT_EVERY)
        held_out.update(distinct[:share])
        next_ones += distinct[share : share + 1] if rest and len(distinct) > share + 1 else []
    missing = len(class_of) // HOLD_OUT_EVERY - len(held_out)
    held_out.update(sorted(next_ones)[:missing])
    return Split(
        [number for number, digest in enumerate(digests) if digest not in held_out],
        [number for number, digest in enumerate(digests) if digest in held_out],
        copies=len(digests) - len(class_of),
    )


def split_as_given(digests: Sequence[str], is_held_out: Sequence[bool]) -> Split:
    """Hold out the images that lie in held-out directories, and train on no copy of them."""
    held_out = [number for number, is_out in enumerate(is_held_out) if is_out]
    known = {digests[number] for number in held_out}
    inside = [number for number, is_out in enumerate(is_held_out) if not is_out]
    train = [number for number in inside if digests[number] not in known]
    copies = len(digests) - len(set(digests))
    return Split(train, held_out, copies, dropped=len(inside) - len(train))
