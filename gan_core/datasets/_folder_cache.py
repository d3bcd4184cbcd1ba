"""Keep the decoded images of directories in the cache directory, and map them into memory."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from gan_core.cache import FOLDERS, cache_folder, locked_cache
from gan_core.datasets._decoded import Contents, Earlier, ImageFormat, OnProgress, decode, write_in_order
from gan_core.datasets._decoding import Pixels
from gan_core.datasets._listing import ImageFile
from gan_core.datasets._split import CONTENT_SPLIT
from gan_core.datasets._structure import Structure
from gan_core.errors import CacheError

DECODER_VERSION = 1
"""Increment this when decoded pixels change, so that directories are decoded again."""

PIXELS, CONTENTS, FILES = ".u8", ".json", ".files.json"


class FolderCache:
    """The decoded images of one directory, in one form, in the cache directory.

    The directory ``folders/ENTRY`` of the cache has three files: the pixels, what they are, and the file that
    each image was decoded from. Their name is a hash of the path, size and time of every image file. If some
    files change, only these are decoded again, and the new files replace the old ones.

    Args:
        folder: The directory of images.
        image_format: The form of the decoded images.
    """

    def __init__(self, folder: Path, image_format: ImageFormat) -> None:
        self._folder = folder
        self._format = image_format
        identity = f"{DECODER_VERSION} {image_format} ".encode() + os.fsencode(folder)
        self._name = sha256(identity).hexdigest()[:32]
        self._entry = cache_folder() / FOLDERS / self._name

    def load(self, structure: Structure, on_progress: OnProgress | None) -> tuple[Pixels, Contents]:
        """Return the decoded images, mapped into memory, and what they are; decode them on first use.

        Processes that load the same images share their memory.

        Raises:
            CacheError: The cache directory cannot be written, or has no room.
        """
        key = _key(structure.files)
        found = self._read(key)
        if found is None:
            with locked_cache(f"{FOLDERS}-{self._name}"):
                found = self._read(key) or self._make(key, structure, on_progress)
        return found

    def _read(self, key: str) -> tuple[Pixels, Contents] | None:
        """Return the images of a key; None if they are missing or incomplete."""
        try:
            values = json.loads(self._file(key, CONTENTS).read_text(encoding="utf-8"))
            contents = Contents(**values["contents"])
            return self._mapped(self._file(key, PIXELS), contents.n_images), contents
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _mapped(self, file: Path, n_images: int) -> Pixels:
        """Map a file of pixels into memory; a write would change only this process's copy of a page."""
        return np.memmap(file, dtype=np.uint8, mode="c", shape=(n_images, *self._format.shape))

    def _make(
        self, key: str, structure: Structure, on_progress: OnProgress | None
    ) -> tuple[Pixels, Contents]:
        try:
            self._check_room(len(structure.files))
            self._entry.mkdir(parents=True, exist_ok=True)
            return self._decode(key, structure, on_progress)
        except OSError as error:
            if isinstance(error, CacheError):
                raise
            raise CacheError(f"cannot write to {self._entry} ({error.strerror or error})") from error

    def _decode(
        self, key: str, structure: Structure, on_progress: OnProgress | None
    ) -> tuple[Pixels, Contents]:
        rows, ordered = (self._entry / f"{key}.{name}.draft" for name in ("rows", "ordered"))
        with ExitStack() as left:
            left.callback(rows.unlink, missing_ok=True)
            left.callback(ordered.unlink, missing_ok=True)
            with rows.open("wb") as out:
                decoded = decode(
                    self._folder, structure.files, self._format, out, self._earlier(), on_progress
                )
            if not decoded.places:
                return np.empty((0, *self._format.shape), dtype=np.uint8), _nothing(decoded.unreadable)
            split, labels = decoded.split(structure)
            pixels = self._mapped(rows, len(decoded.places))
            with ordered.open("wb") as out:
                contents = write_in_order(pixels, decoded, split, labels, out)
            order = {n: row for row, n in enumerate([*split.train, *split.held_out])}
            origins = [
                (*structure.files[place], order[n], decoded.digests[n])
                for n, place in enumerate(decoded.places)
                if n in order
            ]
            self._write(key, FILES, origins)
            ordered.replace(self._file(key, PIXELS))
            about = {"folder": os.fsencode(self._folder).decode("utf-8", "backslashreplace")}
            if decoded.is_final:
                self._write(key, CONTENTS, about | asdict(self._format) | {"contents": asdict(contents)})
        self._discard_all_but(key)
        return self._mapped(self._file(key, PIXELS), contents.n_images), contents

    def _check_room(self, n_images: int) -> None:
        needed, existing = 2 * n_images * self._format.n_bytes, cache_folder()
        if shutil.disk_usage(existing).free < needed:
            raise CacheError(f"{existing} has no room for {n_images:,} decoded images")

    def _earlier(self) -> Earlier | None:
        """Return the images of these files' earlier state, if there are any."""
        for listed in self._entry.glob(f"*{FILES}"):
            with suppress(OSError, ValueError):
                rows = json.loads(listed.read_text(encoding="utf-8"))
                pixels = self._mapped(listed.with_name(listed.name.replace(FILES, PIXELS)), len(rows))
                return Earlier(
                    pixels,
                    {ImageFile(path, size, ns): (row, digest) for path, size, ns, row, digest in rows},
                )
        return None

    def _file(self, key: str, kind: str) -> Path:
        return self._entry / f"{key}{kind}"

    def _write(self, key: str, kind: str, value: object) -> None:
        draft = self._entry / f"{key}{kind}.draft"
        draft.write_text(json.dumps(value), encoding="utf-8")
        draft.replace(self._file(key, kind))

    def _discard_all_but(self, key: str) -> None:
        for file in self._entry.iterdir():
            if not file.name.startswith(key):
                file.unlink(missing_ok=True)


def _nothing(unreadable: dict[str, str]) -> Contents:
    return Contents(0, 0, None, None, 0, 0, 0, unreadable, "", "")


def _key(files: Sequence[ImageFile]) -> str:
    """Return a hash of the path, size and time of every file, and of the rule of the split."""
    found = sha256(CONTENT_SPLIT.encode())
    for path, size, modified_ns in files:
        found.update(os.fsencode(path))
        found.update(f"\0{size} {modified_ns}\0".encode())
    return found.hexdigest()[:32]


def kept_folders() -> Iterator[dict[str, Any]]:
    """Yield the directories with decoded images in the cache: path, image size, numbers and bytes."""
    for file in sorted(cache_folder().glob(f"{FOLDERS}/*/*{CONTENTS}")):
        if file.name.endswith(FILES):
            continue
        with suppress(OSError, ValueError, KeyError):
            values = json.loads(file.read_text(encoding="utf-8"))
            contents = values["contents"]
            yield {
                "folder": values["folder"],
                "image_size": values["size"],
                "channels": values["channels"],
                "images": contents["n_train"] + contents["n_held_out"],
                "bytes": sum(each.stat().st_size for each in file.parent.iterdir()),
            }
