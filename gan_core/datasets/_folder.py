"""A dataset from a directory of image files."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from gan_core.datasets._image_dataset import ImageDataset
from gan_core.datasets._split import held_out_mask
from gan_core.errors import DatasetError, in_one_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MIN_IMAGES = 10
MAX_IMAGE_SIZE = 1024
MODES = {1: "L", 3: "RGB"}


def load_folder(name: str, folder: Path, image_size: int, channels: int) -> ImageDataset:
    """Load all images below ``folder``, recursively, except hidden files and directories.

    Every fifth image, in the order of paths, is held out. If all images are in two or more subdirectories,
    the first-level subdirectories are the classes, in alphabetical order, and about a fifth of each class is
    held out. Images are rotated by their EXIF orientation, scaled with a Lanczos filter until the shorter
    side is ``image_size``, and cropped to the centre; transparent areas become white.

    Raises:
        DatasetError: ``image_size`` or ``channels`` is invalid, there are fewer than 10 images, a class has
            no training image, or an image cannot be read.
    """
    if not 4 <= image_size <= MAX_IMAGE_SIZE or image_size % 4:
        raise DatasetError(f"image_size must be a multiple of 4 from 4 to {MAX_IMAGE_SIZE}, got {image_size}")
    if channels not in MODES:
        raise DatasetError(f"channels must be 1 (grey) or 3 (colour), got {channels}")
    files = _image_files(folder)
    if len(files) < MIN_IMAGES:
        raise DatasetError(
            f"{folder} has {len(files)} images ({', '.join(SUFFIXES)}), but a dataset needs at least"
            f" {MIN_IMAGES}: add some"
        )
    held_out, labels = held_out_mask(len(files)), _labels(files)
    if labels is not None:
        _check_classes(folder, files, labels, labels[~held_out])
    images = _decode(folder, files, image_size, MODES[channels])
    return ImageDataset(
        name,
        images[~held_out],
        images[held_out],
        train_labels=None if labels is None else labels[~held_out],
        held_out_labels=None if labels is None else labels[held_out],
    )


def _check_classes(folder: Path, files: list[Path], labels: Tensor, train_labels: Tensor) -> None:
    untrained = set(labels.tolist()) - set(train_labels.tolist())
    if untrained:
        name = files[labels.tolist().index(min(untrained))].parts[0]
        raise DatasetError(
            f"{folder / name}: every fifth image is held out, leaving no training image of this class: add"
            " some"
        )


def _image_files(folder: Path) -> list[Path]:
    """Return the sorted paths of the images, relative to ``folder``."""
    relative = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    visible = (file for file in relative if not any(part.startswith(".") for part in file.parts))
    return sorted(file for file in visible if (folder / file).is_file())


def _labels(files: list[Path]) -> Tensor | None:
    """Return each file's class index: int64, shape ``(N,)``; None if there are no classes."""
    names = [file.parts[0] for file in files]
    classes = sorted(set(names))
    if len(classes) < 2 or any(len(file.parts) == 1 for file in files):
        return None
    return torch.tensor([classes.index(name) for name in names])


def _decode(folder: Path, files: list[Path], size: int, mode: str) -> Tensor:
    """Read images with as many threads as torch uses; return uint8 ``(N, C, size, size)``."""
    images = torch.empty(len(files), size, size, len(mode), dtype=torch.uint8)
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for image, pixels in zip(
            images, pool.map(lambda file: _read(folder / file, size, mode), files), strict=True
        ):
            image.copy_(torch.from_numpy(pixels).view(image.shape))
    return images.permute(0, 3, 1, 2).contiguous()


def _read(file: Path, size: int, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(file) as image:
            upright = _with_8_bits(ImageOps.exif_transpose(image))
            opaque = _on_white(upright).convert(mode)
            fitted = ImageOps.fit(opaque, (size, size), Image.Resampling.LANCZOS)
    except Exception as error:
        raise DatasetError(
            f"{file} cannot be read as an image ({in_one_line(error)}): repair or remove it"
        ) from error
    return np.array(fitted)


def _with_8_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion would clip all values above 255."""
    if not image.mode.startswith("I;16"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
