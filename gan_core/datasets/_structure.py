"""Read the parts and the classes of a directory of images from the names of its subdirectories."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from gan_core.datasets._listing import ImageFile, escaped, named

TRAIN, TEST = ("train", "training"), ("test", "testing")
VALIDATION = ("val", "valid", "validation", "validate", "dev", "eval")
PARTS = (*TRAIN, *TEST, *VALIDATION)


@dataclass(frozen=True)
class Structure:
    """The parts and the classes of image files.

    Args:
        files: The image files that belong to the dataset.
        is_held_out: Whether each file lies in the held-out part; None if the directories say nothing.
        classes: The names of the classes, in alphabetical order; empty without classes.
        labels: The index in ``classes`` of each file's class; None without classes.
        held_out: The names of the directories that are the held-out part; empty without such directories.
        remarks: How the directories are read, for users; empty if every directory is a class.
    """

    files: list[ImageFile]
    is_held_out: list[bool] | None
    classes: list[str]
    labels: list[int] | None
    held_out: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()


def structure_of(files: Sequence[ImageFile]) -> Structure:
    """Return the parts and classes of image files.

    If every first-level directory with images has a name of :data:`PARTS`, the directories are parts:
    the test part is held out, or without it the validation part, and all others are trained on. The classes
    are then the second-level directories, else the first-level ones, if all images lie in two or more.
    """
    parts = {file.parts[0] for file in files if len(file.parts) > 1}
    if not are_parts(parts):
        return _with_classes(files, 0)
    inside = [file for file in files if len(file.parts) > 1]
    loose = [file.path for file in files if len(file.parts) == 1]
    held_out = _held_out(parts)
    remarks = [_remark(parts, held_out)]
    if loose:
        remarks.append(f"left out: images beside these folders, {named(loose)}")
    found = _with_classes(inside, 1)
    is_held_out = [file.parts[0] in held_out for file in inside] if held_out else None
    return replace(found, is_held_out=is_held_out, held_out=held_out, remarks=(*remarks, *found.remarks))


def are_parts(directories: Collection[str]) -> bool:
    """Return whether all of the first-level directories have names of parts."""
    return bool(directories) and all(each.casefold() in PARTS for each in directories)


def _held_out(parts: set[str]) -> frozenset[str]:
    """Return the names of the parts to hold out; empty if there is no other part to train on."""
    for names in (TEST, VALIDATION):
        found = frozenset(part for part in parts if part.casefold() in names)
        if found and found != parts:
            return found
    return frozenset()


def _remark(parts: Collection[str], held_out: frozenset[str]) -> str:
    if not held_out:
        return f"{folders(parts)}: a part of a dataset, not a class; a fifth of its images is held out"
    return f"{folders({*parts} - held_out)}: trained on; {folders(held_out)}: held out"


def folders(names: Collection[str]) -> str:
    """Return the names of directories for messages: ``cats/ and dogs/``."""
    return " and ".join(f"{escaped(name)}/" for name in sorted(names))


def _with_classes(files: Sequence[ImageFile], level: int) -> Structure:
    """Return the structure of files that have their classes in the names of the directories at a level."""
    names = sorted({file.parts[level] for file in files if len(file.parts) > level + 1})
    loose = [file.path for file in files if len(file.parts) == level + 1]
    if len(names) > 1 and not loose:
        index = {name: place for place, name in enumerate(names)}
        return Structure([*files], None, names, [index[file.parts[level]] for file in files])
    remarks: tuple[str, ...] = ()
    if len(names) > 1:
        remarks = (f"no classes, because images lie beside the folders {named(names)}: {named(loose)}",)
    elif names and not loose and any(len(file.parts) > level + 2 for file in files):
        remarks = (
            f"no classes, because all images lie in {folders(names)}: if its folders are the classes or"
            " parts, name that folder as the dataset",
        )
    return Structure([*files], None, [], None, remarks=remarks)
