"""Loading of the datasets that torchvision downloads."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from http.client import HTTPException
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import CIFAR10, MNIST

from gan_core.cache import CACHE_VARIABLE, cache_folder, locked_cache
from gan_core.datasets._image_dataset import ImageDataset
from gan_core.errors import DatasetUnavailableError

Source = type[MNIST] | type[CIFAR10]

DOWNLOAD_TIMEOUT_S = 30

_READ_ERRORS = (OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AssertionError)
"""The exceptions that torchvision raises if files are missing, truncated or corrupted."""

_DOWNLOAD_ERRORS = (*_READ_ERRORS, HTTPException)


def load_torchvision(name: str, source: Source) -> ImageDataset:
    """Load a torchvision dataset from the cache directory, downloading it there on first use.

    The test set is held out. Existing files are read without a lock, so that the directory may be read-only.
    If that fails, because another process is still writing them, for example, they are read under the lock.

    Args:
        name: The registered name.
        source: The torchvision class.

    Raises:
        DatasetUnavailableError: The files are missing or corrupted, and cannot be downloaded.
        CacheError: The files are missing, and the cache directory cannot be written.
    """
    with suppress(*_READ_ERRORS):
        return _read(name, source, cache_folder(), download=False)
    with locked_cache() as folder:
        try:
            with _quiet_with_timeout():
                return _read(name, source, folder, download=True)
        except _DOWNLOAD_ERRORS as error:
            raise DatasetUnavailableError(_unavailable_message(name, source, folder, error)) from error


def _read(name: str, source: Source, folder: Path, *, download: bool) -> ImageDataset:
    train, held_out = (source(folder, train=train, download=download) for train in (True, False))
    return ImageDataset(
        name,
        _images(train.data),
        _images(held_out.data),
        train_labels=torch.as_tensor(train.targets),
        held_out_labels=torch.as_tensor(held_out.targets),
    )


def _images(data: object) -> Tensor:
    """Convert torchvision's ``(N, H, W)`` or ``(N, H, W, 3)`` arrays to uint8 ``(N, C, H, W)``."""
    images = torch.as_tensor(data)
    return images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2).contiguous()


@contextmanager
def _quiet_with_timeout() -> Iterator[None]:
    """Hide torchvision's progress bars, and set a timeout for its downloads."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT_S)
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _unavailable_message(name: str, source: Source, cache: Path, error: BaseException) -> str:
    """Return the message for an unavailable dataset: its directory, the cause and the fix."""
    files = _files(source, cache)
    folder = files[0].parent
    if all(file.is_file() for file in files):
        problem = f"is corrupted in {folder} ({_root_cause(error)}): delete that directory, or"
    else:
        problem = f"is not in {folder} and cannot be downloaded ({_root_cause(error)}):"
    return (
        f"{name} {problem} copy its files there, or set {CACHE_VARIABLE} to a directory that has them; the"
        f" dataset mnist-5k needs no download"
    )


def _files(source: Source, cache: Path) -> list[Path]:
    """Return the paths of the files that torchvision reads."""
    if issubclass(source, CIFAR10):
        names = [name for name, _ in source.train_list + source.test_list]
        return [cache / source.base_folder / name for name in names]
    return [cache / source.__name__ / "raw" / Path(name).stem for name, _ in source.resources]


def _root_cause(error: BaseException) -> str:
    """Return the last line of an error's message, without urllib's wrapper around the cause."""
    last_line = str(error).strip().splitlines()[-1:] or [type(error).__name__]
    return re.sub(r"^<urlopen error (?:\[Errno -?\d+\] )?(.*)>$", r"\1", last_line[0])
