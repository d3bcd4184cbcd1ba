"""Read the parts and the classes of a directory of images from the names of its subdirectories."""

from collections.abc import Sequence
from dataclasses import dataclass

from gan_core.datasets._listing import ImageFile, named

TRAIN, TEST = "train", "test"
VALIDATION = ("val", "valid", "validation")
PARTS = (TRAIN, TEST, *VALIDATION)


@dataclass(frozen=True)
class Structure:
    """The parts and the classes of image files.

    Args:
        files: The image files that belong to the dataset.
        is_held_out: Whether each file lies in the held-out part; None if the directories say nothing.
        classes: The names of the classes, in alphabetical order; empty without classes.
        labels: The index in ``classes`` of each file's class; None without classes.
        remark: How the directories are read, for users; empty if they are nothing but classes.
    """

    files: list[ImageFile]
    is_held_out: list[bool] | None
    classes: list[str]
    labels: list[int] | None
    remark: str = ""


def structure_of(files: Sequence[ImageFile]) -> Structure:
    """Return the parts and classes of image files.

    If every first-level directory with images has a name of :data:`PARTS`, the directories are parts:
    ``test`` is held out, or without it the validation part, and all others are trained on. The classes are
    then the second-level directories, else the first-level ones, if all images lie in two or more of them.
    """
    parts = {file.parts[0] for file in files if len(file.parts) > 1}
    if not parts or any(part.casefold() not in PARTS for part in parts):
        classes, labels = _classes([file.parts for file in files])
        return Structure(list(files), None, classes, labels)
    inside = [file for file in files if len(file.parts) > 1]
    loose = [file.path for file in files if len(file.parts) == 1]
    classes, labels = _classes([file.parts[1:] for file in inside])
    held_out = _held_out(parts)
    is_held_out = [file.parts[0] in held_out for file in inside] if held_out else None
    remark = _remark(parts, held_out)
    if loose:
        remark += f"; left out: images beside these folders, {named(loose)}"
    return Structure(inside, is_held_out, classes, labels, remark)


def _held_out(parts: set[str]) -> set[str]:
    """Return the names of the parts to hold out; empty if there is no other part to train on."""
    for names in ((TEST,), VALIDATION):
        found = {part for part in parts if part.casefold() in names}
        if found and found != parts:
            return found
    return set()


def _remark(parts: set[str], held_out: set[str]) -> str:
    if not held_out:
        return f"{_folders(parts)}: a part of a dataset, not a class"
    return f"{_folders(parts - held_out)}: trained on; {_folders(held_out)}: held out"


def _folders(parts: set[str]) -> str:
    return " and ".join(f"{part}/" for part in sorted(parts))


def _classes(paths: Sequence[Sequence[str]]) -> tuple[list[str], list[int] | None]:
    names = sorted({parts[0] for parts in paths})
    if len(names) < 2 or any(len(parts) == 1 for parts in paths):
        return [], None
    index = {name: place for place, name in enumerate(names)}
    return names, [index[parts[0]] for parts in paths]
