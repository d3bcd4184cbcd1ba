"""Find out whether scores were measured on the same images and with the same extractor.

Scores that were not must never be compared: neither in one sweep, nor in a table of several.
"""

from collections.abc import Mapping
from math import isclose
from typing import Any

from gan_core.datasets import FOLDER
from sweeps.errors import SweepError

IMAGES, EXTRACTOR, FLOORS = "images", "extractor", "floors"
MEASURE = (IMAGES, EXTRACTOR, FLOORS)
"""The facts of a sweep that say what its scores were measured with: recorded once, and never replaced.

The images are :attr:`gan_core.ImageDataset.identity`; the extractor is the ``extractor`` of a
:class:`gan_core.Evaluator`.
"""

SAME_FLOOR = 0.01
"""The relative difference up to which two fid of real images may be of the same images on two processors."""

OTHER_SPLIT = (
    "an earlier version chose the held-out images of this sweep by another rule (every fifth image in the"
    " order of names; now by content, or by folders called train and test): the scores are not comparable"
)

_DIGITS_SHOWN = 8


_OTHER_CLASSIFIER = (
    "classifiers of two machines differ, and this version trains a residual one for colour images: type the"
    " same with the version that began the sweep"
)


def check_comparable(subject: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that new scores may stand in one table with recorded ones.

    Args:
        subject: What the user asked for, for the message: ``resume lsgan``.
        then: The facts that the recorded scores were measured with.
        now: The facts of the new scores.

    Raises:
        SweepError: The scores are not comparable; the message names what differs, and says what to do.
    """
    check_split(subject, then, now.get(IMAGES))
    found = differences(then, now)
    if not found:
        return
    is_other_classifier = all(each.startswith(f"the {EXTRACTOR} ") for each in found)
    remedy = (
        f"{_OTHER_CLASSIFIER}, or copy the cached classifiers of the machine that the sweep began on"
        if is_other_classifier
        else "restore the images"
    )
    raise SweepError(
        f"{subject}: the scores would not be comparable with the recorded ones: {'; '.join(found)};"
        f" {remedy}, or run a new sweep"
    )


def check_split(subject: str, then: Mapping[str, Any], images: Mapping[str, Any] | None = None) -> None:
    """Check that the held-out images of a folder were chosen by the rule of this version.

    The record of an earlier version has no images; it has an extractor once a report was measured. Such a
    record is refused before the images are known.

    Args:
        subject: What the user asked for, for the message: ``resume lsgan``.
        then: The facts that the recorded scores were measured with.
        images: The images of the new scores; None if they are not known yet.

    Raises:
        SweepError: They were chosen by another rule.
    """
    before = then.get(IMAGES)
    if before is None:
        is_folder = then.get("spec", {}).get("dataset", "").startswith(FOLDER)
        is_other = is_folder and EXTRACTOR in then
    else:
        is_other = images is not None and before.get("split") != images.get("split")
    if is_other:
        raise SweepError(f"{subject}: {OTHER_SPLIT}; run a new sweep")


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between the facts of two measurements, each as a part of a message.

    Facts that one of them does not have are not compared. A record of an earlier version has no images:
    the floors, which are the scores of real images, then tell whether the images are the same.
    """
    found = []
    known = {name: (then.get(name), now.get(name)) for name in MEASURE}
    for name in (IMAGES, EXTRACTOR):
        before, after = known[name]
        if before and after and before != after:
            verbs = ("were", "they are") if name == IMAGES else ("was", "it is")
            found.append(f"the {name} {verbs[0]} {in_short(before)}, {verbs[1]} {in_short(after)}")
    before, after = (floors and floors.get("fid") for floors in known[FLOORS])
    if not all(known[IMAGES]) and before and after and not isclose(before, after, rel_tol=SAME_FLOOR):
        found.append(f"the images differ: real images scored fid {before:.4g}, they score {after:.4g}")
    return found


def in_short(fact: Mapping[str, Any] | str) -> str:
    """Return the images or the extractor of a sweep as a message shows them.

    >>> in_short({"sha256": "280d46ade7a1171059de", "train": 48, "held_out": 12})
    '48 to train on and 12 held out (sha256:280d46ad)'
    >>> in_short("sha256:280d46ade7a1171059de")
    'sha256:280d46ad'
    """
    if isinstance(fact, str):
        return fact[: len("sha256:") + _DIGITS_SHOWN]
    digest = fact["sha256"][:_DIGITS_SHOWN]
    return f"{fact['train']:,} to train on and {fact['held_out']:,} held out (sha256:{digest})"
