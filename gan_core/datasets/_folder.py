"""A dataset from a directory of image files."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gan_core.datasets._decoded import Contents, ImageFormat, OnProgress, in_memory
from gan_core.datasets._decoding import MODES, Pixels
from gan_core.datasets._folder_cache import FolderCache
from gan_core.datasets._image_dataset import MIN_IMAGES, ImageDataset
from gan_core.datasets._listing import MOST_NAMED, SUFFIXES, Listing, escaped, list_images, named
from gan_core.datasets._split import CONTENT_SPLIT, HOLD_OUT_EVERY
from gan_core.datasets._structure import Structure, are_parts, folders, structure_of
from gan_core.errors import CacheError, DatasetError

MIN_FOLDER_IMAGES = HOLD_OUT_EVERY * MIN_IMAGES
MAX_IMAGE_SIZE = 1024


def load_folder(
    name: str,
    folder: Path,
    image_size: int,
    channels: int,
    *,
    skip_unreadable: bool = False,
    on_progress: OnProgress | None = None,
) -> ImageDataset:
    """Load all images below ``folder``, recursively, except hidden files and directories.

    :func:`structure_of` finds parts and classes in the names of the directories. Without a held-out part, a
    fifth of each class is held out, by the images' content (:func:`split_by_content`). Images are rotated by
    their EXIF orientation, scaled with a Lanczos filter until the shorter side is ``image_size``, and cropped
    to the centre; transparent areas become white.

    The decoded images stay in the cache directory, and all processes that load them share their memory. If
    the cache directory cannot be written, the images are decoded into the memory of this process.

    Raises:
        DatasetError: ``image_size`` or ``channels`` is invalid, there are fewer than 30 different images, a
            part has no images or fewer than 6, a class has no training image, or an image cannot be read and
            ``skip_unreadable`` is not set.
    """
    if not 4 <= image_size <= MAX_IMAGE_SIZE or image_size % 4:
        raise DatasetError(f"image_size must be a multiple of 4 from 4 to {MAX_IMAGE_SIZE}, got {image_size}")
    if channels not in MODES:
        raise DatasetError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    listing = list_images(folder)
    structure = structure_of(listing.files)
    _check_parts(folder, structure)
    n_found = len(structure.files) + len(listing.unreadable)
    if n_found < MIN_FOLDER_IMAGES:
        raise DatasetError(
            f"{escaped(folder)} has {n_found} images, but a dataset needs at least {MIN_FOLDER_IMAGES}: add"
            f" some{_left_out(listing)}"
        )
    pixels, contents, remark = _load(folder, structure, ImageFormat(image_size, channels), on_progress)
    unreadable = dict(sorted((listing.unreadable | contents.unreadable).items()))
    if unreadable and not skip_unreadable:
        raise DatasetError(_unreadable_message(folder, unreadable, n_found))
    _check(folder, structure, contents)
    remarks = [*structure.remarks, *listing.remarks(), *_remarks(unreadable, contents), remark]
    return _dataset(name, pixels, contents, structure, [each for each in remarks if each])


def _load(
    folder: Path, structure: Structure, image_format: ImageFormat, on_progress: OnProgress | None
) -> tuple[Pixels, Contents, str]:
    """Return the images from the cache, or from memory with a remark about the reason."""
    try:
        return *FolderCache(folder, image_format).load(structure, on_progress), ""
    except CacheError as error:
        found = in_memory(folder, structure, image_format, on_progress)
        return *found, f"the decoded images are not kept, every process decodes them: {error}"


def _left_out(listing: Listing) -> str:
    """Return what is left out, and which files are images, if anything is left out."""
    left_out = "".join(f"; {remark}" for remark in listing.remarks())
    return f"{left_out}; images end in {', '.join(SUFFIXES)}" if listing.other_files else left_out


def _unreadable_message(folder: Path, unreadable: dict[str, str], n_found: int) -> str:
    n = len(unreadable)
    return (
        f"{escaped(folder)}: {n:,} of {n_found:,} images cannot be read: {_with_reasons(unreadable)}; repair"
        " or remove them, or type skip_unreadable: true to train without them"
    )


def _with_reasons(unreadable: dict[str, str]) -> str:
    """Return the first ten unreadable files with the reasons, and how many more there are."""
    first = [f"{escaped(path)} ({reason})" for path, reason in list(unreadable.items())[:MOST_NAMED]]
    more = len(unreadable) - len(first)
    return ", ".join(first) + (f" and {more:,} more" if more else "")


def _check(folder: Path, structure: Structure, contents: Contents) -> None:
    """Check that there are enough different images, and training images of every class.

    Raises:
        DatasetError: There are too few different images, or a class has no training image.
    """
    if contents.n_distinct < MIN_FOLDER_IMAGES:
        n = contents.n_distinct + contents.copies
        raise DatasetError(
            f"{escaped(folder)} has {n:,} images that can be read, and {contents.n_distinct} of them differ,"
            f" but a dataset needs at least {MIN_FOLDER_IMAGES} different ones: add some"
        )
    if structure.held_out and contents.n_held_out < MIN_IMAGES:
        raise DatasetError(
            f"{escaped(folder)}: the held-out part {folders(structure.held_out)} has {contents.n_held_out}"
            f" different images that can be read, but needs at least {MIN_IMAGES}: add some"
        )
    untrained = sorted(set(range(len(structure.classes))) - set(contents.train_labels or ()))
    if structure.classes and untrained:
        names = named([structure.classes[label] for label in untrained])
        subject = f"the class {names} has" if len(untrained) == 1 else f"the classes {names} have"
        why = _why_untrained(structure, contents, untrained)
        raise DatasetError(f"{escaped(folder)}: {subject} no images to train on: {why}")


def _why_untrained(structure: Structure, contents: Contents, untrained: list[int]) -> str:
    """Return why classes have no training images, and what to do."""
    trained_on = {
        label
        for label, is_held_out in zip(structure.labels or (), structure.is_held_out or (), strict=False)
        if not is_held_out
    }
    if structure.held_out and not trained_on & {*untrained}:
        return f"all of them are in {folders(structure.held_out)}; put some into another part"
    if structure.held_out and contents.dropped:
        return f"their images are also in {folders(structure.held_out)}; remove them from one of the two"
    return "their images are copies of those of other classes, or cannot be read; add others"


def _check_parts(folder: Path, structure: Structure) -> None:
    """Check that each part has images, if the folders with images are parts.

    Raises:
        DatasetError: A part has no images.
    """
    with_images = {file.parts[0] for file in structure.files if len(file.parts) > 1}
    found = {each.name for each in folder.iterdir() if each.is_dir()}
    empty = {name for name in found - with_images if are_parts({name})}
    if are_parts(with_images) and empty:
        raise DatasetError(f"{escaped(folder)}: {folders(empty)} has no images: add some, or remove it")


def _remarks(unreadable: dict[str, str], contents: Contents) -> Iterator[str]:
    if unreadable:
        images = "1 image" if len(unreadable) == 1 else f"{len(unreadable):,} images"
        yield f"left out: {images} that cannot be read, {_with_reasons(unreadable)}"
    if contents.copies:
        are = "image is a copy of another" if contents.copies == 1 else "images are copies of others"
        yield f"{contents.copies:,} {are}; copies are on one side of the split"
    if contents.dropped:
        yield f"left out: {contents.dropped:,} training images that are copies of held-out ones"


def _dataset(
    name: str, pixels: Pixels, contents: Contents, structure: Structure, remarks: list[str]
) -> ImageDataset:
    images = torch.from_numpy(pixels)
    data = ImageDataset(
        name,
        images[: contents.n_train],
        images[contents.n_train :],
        train_labels=_as_tensor(contents.train_labels),
        held_out_labels=_as_tensor(contents.held_out_labels),
        split=CONTENT_SPLIT if structure.is_held_out is None else "folders",
        remarks=tuple(remarks),
    )
    vars(data).update(train_digest=contents.train_digest, digest=contents.digest)
    return data


def _as_tensor(labels: list[int] | None) -> Tensor | None:
    return None if labels is None else torch.tensor(labels, dtype=torch.int64)
