"""Image datasets, loaded whole into memory."""

from collections.abc import Callable
from pathlib import Path

from gan_core.datasets._image_dataset import ImageDataset
from gan_core.errors import DatasetError
from gan_core.registry import Registry

__all__ = ["ImageDataset", "check_dataset", "datasets", "load_dataset"]

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


def load_dataset(name: str, *, image_size: int | None = None, channels: int | None = None) -> ImageDataset:
    """Load a dataset.

    Args:
        name: A registered name; ``folder:PATH``, a directory of images; or ``module.path:function``, a
            function of no arguments that returns an :class:`ImageDataset`.
        image_size: Height and width to scale a folder's images to, by default 64; for ``folder:PATH`` only.
        channels: 1 for grey or 3 for colour, by default 3; for ``folder:PATH`` only.

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
        )
    if image_size is not None or channels is not None:
        raise DatasetError(
            f"image_size and channels work only with {FOLDER}PATH, the dataset is {name}: remove them"
        )
    data = datasets.get(name)()
    if not isinstance(data, ImageDataset):
        raise DatasetError(f"{name} must return an ImageDataset, got {type(data).__name__}")
    return data
