"""Keep the checkpoints of unfinished trials where workers do not see the sweep's own folder."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from gan_core.errors import in_one_line
from sweeps.errors import SweepError
from sweeps.words import NAME_PATTERN

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

SCHEMES = ("s3", "gs", "file")
FORMS = "a directory, s3://BUCKET/PATH or gs://BUCKET/PATH"
_MARKER = "gan-sweep-was-here"


def storage_uri(text: str) -> str:
    """Return the argument of ``--storage``, with the path of a directory made absolute.

    Raises:
        SweepError: It has an unknown form, or contains a password.
    """
    parts = urlsplit(text)
    if not parts.scheme:
        return str(Path(text).expanduser().absolute())
    if parts.scheme not in SCHEMES or not parts.netloc + parts.path:
        raise SweepError(f"--storage {parts.scheme}://...: expected {FORMS}")
    if "@" in parts.netloc:
        raise SweepError(
            f"--storage {parts.scheme}://...: expected no user or password, which the record would keep: set"
            " the credentials on each node as for its cloud's tools, for example AWS_ACCESS_KEY_ID"
        )
    return text


def chosen_storage(
    name: str, asked: str | None, recorded: Mapping[str, Any] | None, *, is_cluster: bool
) -> "Storage | None":
    """Return where a sweep keeps the checkpoints of its unfinished trials; None for its own folder.

    Args:
        name: The sweep's name.
        asked: The argument of ``--storage``, or None.
        recorded: The storage in the record of a resumed sweep, or None.
        is_cluster: Whether workers may not see the sweep's own folder.

    Raises:
        SweepError: ``asked`` has an unknown form.
    """
    uri = storage_uri(asked) if asked is not None else None
    if recorded is not None and uri in {None, recorded["uri"]}:
        return Storage(**recorded)
    return Storage(f"{name}-{uuid4().hex[:12]}", uri) if uri or is_cluster else None


@dataclass(frozen=True)
class Storage:
    """Keeps the checkpoints of a sweep's unfinished trials on each worker's disk, and uploads them to a URI.

    Args:
        key: A name that no other sweep has.
        uri: What :func:`storage_uri` returns; None if checkpoints stay on the worker's disk.
    """

    key: str
    uri: str | None

    def __post_init__(self) -> None:
        """Check the key: folders of this name are deleted, and a record may come from somebody else.

        Raises:
            SweepError: The key is not one that :func:`chosen_storage` makes.
        """
        if not re.fullmatch(f"{NAME_PATTERN}-[0-9a-f]{{12}}", self.key):
            raise SweepError(
                f"the record names the storage {self.key!r}: expected NAME-HEX with 12 hexadecimal digits"
            )

    @property
    def local_folder(self) -> Path:
        """The folder on this machine's disk; it may not exist."""
        return Path(tempfile.gettempdir()) / f"gan-sweep-{os.getuid()}" / self.key

    def local_file(self, name: str) -> Path:
        """Return the path of a checkpoint on this machine's disk, in a folder that only this user can read.

        Raises:
            PermissionError: The folder belongs to another user.
        """
        self.local_folder.parent.mkdir(mode=0o700, exist_ok=True)
        if self.local_folder.parent.lstat().st_uid != os.getuid():
            raise PermissionError(f"{self.local_folder.parent} belongs to another user")
        self.local_folder.mkdir(mode=0o700, exist_ok=True)
        return self.local_folder / name

    def download(self, file: Path) -> None:
        """Replace a worker's file by the uploaded checkpoint, if there is one."""
        from pyarrow.fs import FileType, LocalFileSystem, copy_files

        if self.uri is None:
            return
        system, folder = self._opened()
        uploaded = f"{folder}/{file.name}"
        if system.get_file_info(uploaded).type is FileType.NotFound:
            return
        draft = file.with_name(f"{file.name}.draft")
        copy_files(uploaded, str(draft), source_filesystem=system, destination_filesystem=LocalFileSystem())
        draft.replace(file)

    def upload(self, file: Path) -> None:
        """Upload a worker's checkpoint, completely or not at all."""
        from pyarrow.fs import LocalFileSystem, copy_files

        if self.uri is None:
            return
        system, folder = self._opened()
        uploaded = f"{folder}/{file.name}"
        copy_files(
            str(file), f"{uploaded}.draft", source_filesystem=LocalFileSystem(), destination_filesystem=system
        )
        system.move(f"{uploaded}.draft", uploaded)

    def delete(self, name: str) -> None:
        """Delete an uploaded checkpoint, if there is one.

        Raises:
            OSError: The checkpoint cannot be deleted.
        """
        from pyarrow.fs import FileType

        if self.uri is None:
            return
        system, folder = self._opened()
        if system.get_file_info(f"{folder}/{name}").type is FileType.File:
            system.delete_file(f"{folder}/{name}")

    def prepare(self) -> None:
        """Create the folder of the sweep at the URI, with a file that :meth:`fault` looks for.

        Raises:
            SweepError: The folder cannot be written.
        """
        if self.uri is None:
            return
        try:
            system, folder = self._opened()
            system.create_dir(folder)
            with system.open_output_stream(f"{folder}/{_MARKER}") as stream:
                stream.write(self.key.encode())
        except (OSError, ValueError, NotImplementedError) as error:
            raise SweepError(f"--storage {self.uri} cannot be written: {in_one_line(error)}") from error

    def fault(self) -> str | None:
        """Return why this machine cannot upload checkpoints, as part of a message; None if it can."""
        from pyarrow.fs import FileType

        if self.uri is None:
            return None
        try:
            system, folder = self._opened()
            if system.get_file_info(f"{folder}/{_MARKER}").type is FileType.NotFound:
                return (
                    f"does not see the files in --storage {self.uri}: expected a place that all nodes share"
                )
            own = f"{folder}/{uuid4().hex}"
            with system.open_output_stream(own) as stream:
                stream.write(self.key.encode())
            system.delete_file(own)
        except (OSError, ValueError, NotImplementedError) as error:
            return f"cannot write to --storage {self.uri}: {in_one_line(error)}"
        return None

    def working_folder(self) -> "tuple[FileSystem, str]":
        """Return the file system and folder through which Ray's trials exchange checkpoints."""
        system, folder = self._opened()
        return system, f"{folder}/exchanged"

    def clear(self) -> None:
        """Delete everything of the sweep at the URI.

        Raises:
            OSError: The folder cannot be deleted.
        """
        if self.uri is not None:
            system, folder = self._opened()
            system.delete_dir(folder)

    def _opened(self) -> "tuple[FileSystem, str]":
        from pyarrow.fs import FileSystem

        system, folder = FileSystem.from_uri(self.uri)
        return system, f"{folder}/{self.key}"
