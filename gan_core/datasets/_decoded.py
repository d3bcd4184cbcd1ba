"""Decode the images of a directory on all cores, split them, and write them in the order of training."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from gan_core.datasets._decoding import Pixels, read_image
from gan_core.datasets._listing import ImageFile
from gan_core.datasets._split import Split, split_as_given, split_by_content
from gan_core.datasets._structure import Structure
from gan_core.errors import in_one_line

OnProgress = Callable[[int, int], None]
"""Called with the number of images that are decoded, and the number of all images."""

BATCH = 64
CHUNK_BYTES = 2**24
DIGEST_BYTES = 16

_LABELS = np.dtype("int64")


@dataclass(frozen=True)
class ImageFormat:
    """The form of decoded images.

    Args:
        size: Height and width in pixels.
        channels: 1 for grey, 3 for colour.
    """

    size: int
    channels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.size, self.size

    @property
    def n_bytes(self) -> int:
        """The number of bytes of an image."""
        return self.channels * self.size * self.size


@dataclass(frozen=True)
class Earlier:
    """Images that an earlier run has decoded.

    Args:
        pixels: The images: uint8, shape ``(N, C, H, W)``.
        rows: The index of each file's image in ``pixels``, and its digest.
    """

    pixels: Pixels
    rows: Mapping[ImageFile, tuple[int, str]]


@dataclass(frozen=True)
class Contents:
    """What the decoded images of a directory are; JSON values.

    Args:
        n_train: The number of training images, which come first.
        n_held_out: The number of held-out images, which follow.
        train_labels: The classes of the training images; None without classes.
        held_out_labels: The classes of the held-out images; None without classes.
        n_distinct: The number of images that differ from each other.
        copies: The number of images that are equal to an earlier one.
        dropped: The number of training images that are left out as copies of held-out ones.
        unreadable: The paths of the files that cannot be read, with the reasons.
        train_digest: The SHA-256 of the training images.
        digest: :attr:`ImageDataset.digest` of the dataset.
    """

    n_train: int
    n_held_out: int
    train_labels: list[int] | None
    held_out_labels: list[int] | None
    n_distinct: int
    copies: int
    dropped: int
    unreadable: dict[str, str]
    train_digest: str
    digest: str

    @property
    def n_images(self) -> int:
        """The number of images in both parts."""
        return self.n_train + self.n_held_out


@dataclass
class Decoded:
    """The decoded images of a directory, in the order of their files.

    Args:
        image_format: The form of the images.
        places: The index of each image's file in the structure.
        digests: The hash of each image's pixels.
        unreadable: The paths of the files that cannot be read, with the reasons.
        is_final: Whether another attempt would find the same: no file was kept from being opened.
    """

    image_format: ImageFormat
    places: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    is_final: bool = True

    def split(self, structure: Structure) -> tuple[Split, list[int] | None]:
        """Return the split of the images, and their classes."""
        labels = None if structure.labels is None else [structure.labels[place] for place in self.places]
        if structure.is_held_out is None:
            return split_by_content(self.digests, labels), labels
        return split_as_given(self.digests, [structure.is_held_out[place] for place in self.places]), labels


def decode(
    folder: Path,
    files: Sequence[ImageFile],
    image_format: ImageFormat,
    out: BinaryIO,
    earlier: Earlier | None = None,
    on_progress: OnProgress | None = None,
) -> Decoded:
    """Write the pixels of all images that can be read to ``out``, file by file, and return what they are.

    Args:
        folder: The directory.
        files: Its image files.
        image_format: The form to bring the images into.
        out: A binary file.
        earlier: Images that need not be decoded again.
        on_progress: Called after every 64 images.
    """
    found, known = Decoded(image_format), earlier.rows if earlier else {}

    def read(batch: range) -> list[tuple[bytes, str] | str]:
        return [pixels_of(files[place]) for place in batch]

    def pixels_of(file: ImageFile) -> tuple[bytes, str] | str:
        if earlier and file in known:
            row, digest = known[file]
            return earlier.pixels[row].tobytes(), digest
        try:
            content = read_image(folder / file.path, image_format.size, image_format.channels).tobytes()
        except Exception as error:  # noqa: BLE001 - decoders raise exceptions of many classes
            if isinstance(error, OSError) and error.errno is not None:
                found.is_final = False
                return error.strerror or str(error)
            return _reason(folder / file.path, error)
        return content, blake2b(content, digest_size=DIGEST_BYTES).hexdigest()

    batches = [range(at, min(at + BATCH, len(files))) for at in range(0, len(files), BATCH)]
    with _without_warnings(), ThreadPoolExecutor(n_cores()) as pool:
        for batch, results in zip(batches, pool.map(read, batches), strict=True):
            for place, result in zip(batch, results, strict=True):
                if isinstance(result, str):
                    found.unreadable[files[place].path] = result
                    continue
                out.write(result[0])
                found.places.append(place)
                found.digests.append(result[1])
            if on_progress:
                on_progress(batch.stop, len(files))
    return found


def write_in_order(
    pixels: Pixels, decoded: Decoded, split: Split, labels: list[int] | None, out: BinaryIO
) -> Contents:
    """Write the training images and then the held-out ones to ``out``, and return what they are."""
    whole, train = sha256(), sha256()
    train_labels, held_out_labels = (
        None if labels is None else [labels[n] for n in part] for part in (split.train, split.held_out)
    )
    for part, is_train in ((split.train, True), (split.held_out, False)):
        whole.update(f"torch.uint8 {(len(part), *decoded.image_format.shape)}".encode())
        for chunk in _chunks(part, max(1, CHUNK_BYTES // decoded.image_format.n_bytes)):
            content = pixels[chunk].tobytes()
            out.write(content)
            whole.update(content)
            if is_train:
                train.update(content)
    for each in (train_labels, held_out_labels):
        if each is None:
            whole.update(b"no classes")
        else:
            whole.update(f"torch.int64 {(len(each),)}".encode())
            whole.update(np.array(each, dtype=_LABELS).tobytes())
    return Contents(
        len(split.train),
        len(split.held_out),
        train_labels,
        held_out_labels,
        n_distinct=len(set(decoded.digests)),
        copies=split.copies,
        dropped=split.dropped,
        unreadable=decoded.unreadable,
        train_digest=train.hexdigest(),
        digest=whole.hexdigest(),
    )


def in_memory(
    folder: Path, structure: Structure, image_format: ImageFormat, on_progress: OnProgress | None
) -> tuple[Pixels, Contents]:
    """Return the decoded images of a directory in memory, training images first, and what they are."""
    rows, ordered = BytesIO(), BytesIO()
    decoded = decode(folder, structure.files, image_format, rows, on_progress=on_progress)
    split, labels = decoded.split(structure)
    contents = write_in_order(as_images(rows.getbuffer(), image_format), decoded, split, labels, ordered)
    return as_images(ordered.getbuffer(), image_format), contents


def as_images(content: memoryview, image_format: ImageFormat) -> Pixels:
    """Return bytes as images: uint8, shape ``(N, C, H, W)``; the bytes are not copied."""
    flat: NDArray[np.uint8] = np.frombuffer(content, dtype=np.uint8)
    return flat.reshape(len(flat) // image_format.n_bytes, *image_format.shape)


def _reason(file: Path, error: Exception) -> str:
    """Return why an image cannot be decoded; Pillow's own text for unknown formats names an object."""
    if file.stat().st_size == 0:
        return "an empty file"
    is_unknown = isinstance(error, UnidentifiedImageError) and str(error).startswith("cannot identify")
    return "not an image in a known format" if is_unknown else in_one_line(error)


def n_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _chunks(indices: Sequence[int], n: int) -> Iterator[Sequence[int]]:
    return (indices[at : at + n] for at in range(0, len(indices), n))


def _without_warnings() -> warnings.catch_warnings:
    """Hide warnings in the block: Pillow warns of unreadable metadata, which no pixel depends on."""
    return warnings.catch_warnings(action="ignore")
