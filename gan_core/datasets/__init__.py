"""Image datasets, loaded whole into memory or mapped into it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gan_core.datasets._image_dataset import MIN_IMAGES, ImageDataset
from gan_core.datasets._split import CONTENT_SPLIT
from gan_core.errors import DatasetError
from gan_core.registry import Registry

__all__ = [
    "CONTENT_SPLIT",
    "MIN_IMAGES",
    "ImageDataset",
    "check_dataset",
    "datasets",
    "decoded_folders",
    "load_dataset",
]

FOLDER = "folder:"
IMAGE_SIZE, CHANNELS = 64, 3

datasets: Registry[Callable[[], ImageDataset]] = Registry("dataset", __name__, forms=(f"{FOLDER}PATH",))


def check_dataset(name: str) -> str:
    """Return ``name`` if it names a dataset, with a folder's path made absolute; load no images.

    Args:
        name: A registered name, ``folder:PATH`` or the import path of a function.

    Raises:
        UnknownNameError: No dataset has this name.
        ImportPathError: The function does not exist.
        DatasetError: The folder does not exist.
    """
    if not name.startswith(FOLDER):
        return datasets.check(name)
    path = name.removeprefix(FOLDER)
    if not path:
        raise DatasetError(f"{FOLDER} needs a path: type {FOLDER}PATH, such as {FOLDER}photos")
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise DatasetError(f"there is no directory {folder}")
    return f"{FOLDER}{folder}"


def decoded_folders() -> list[dict[str, Any]]:
    """Return the folders with decoded images in the cache.

    Returns:
        For each folder and image size: ``folder``, ``image_size``, ``channels``, ``images`` and ``bytes``.
    """
    from gan_core.datasets._folder_cache import kept_folders

    return list(kept_folders())


def load_dataset(
    name: str,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    skip_unreadable: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImageDataset:
    """Load a dataset.

    Args:
        name: A registered name; ``folder:PATH``, a directory of images; or ``module.path:function``, a
            function of no arguments that returns an :class:`ImageDataset`.
        image_size: Height and width to scale a folder's images to, by default 64; for ``folder:PATH`` only.
        channels: 1 for grey or 3 for colour, by default 3; for ``folder:PATH`` only.
        skip_unreadable: Whether to leave out images that cannot be read; for ``folder:PATH`` only.
        on_progress: Called, while the images of a folder are decoded, with the number of images that are
            decoded, and the number of all images.

    Raises:
        UnknownNameError: No dataset has this name.
        ImportPathError: The function does not exist.
        DatasetError: The folder or function has no valid images, or an argument is invalid.
        DatasetUnavailableError: The files are not in the cache directory and cannot be downloaded.
    """
    name = check_dataset(name)
    if name.startswith(FOLDER):
        from gan_core.datasets._folder import load_folder

        return load_folder(
            name,
            Path(name.removeprefix(FOLDER)),
            IMAGE_SIZE if image_size is None else image_size,
            CHANNELS if channels is None else channels,
            skip_unreadable=skip_unreadable,
            on_progress=on_progress,
        )
    if image_size is not None or channels is not None or skip_unreadable:
        raise DatasetError(
            f"image_size, channels and skip_unreadable work only with {FOLDER}PATH, the dataset is {name}:"
            " remove them"
        )
    data = datasets.get(name)()
    if not isinstance(data, ImageDataset):
        raise DatasetError(f"{name} must return an ImageDataset, got {type(data).__name__}")
    return data
