"""Where the states of unfinished trials are, where workers do not see the sweep's own folder."""

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
_PROBE = "gan-sweep-was-here"


def storage_uri(text: str) -> str:
    """Return what ``--storage`` says, a directory's path made absolute.

    Raises:
        SweepError: It is none of the forms that are known, or it holds a password.
    """
    parts = urlsplit(text)
    if not parts.scheme:
        return str(Path(text).expanduser().absolute())
    if parts.scheme not in SCHEMES or not parts.netloc + parts.path:
        raise SweepError(f"--storage {parts.scheme}://...: expected {FORMS}")
    if "@" in parts.netloc:
        raise SweepError(
            f"--storage {parts.scheme}://...: no user or password, as the ledger keeps it: each node takes"
            " its own from where its cloud's tools do, such as AWS_ACCESS_KEY_ID"
        )
    return text


def chosen_storage(
    name: str, asked: str | None, recorded: Mapping[str, Any] | None, *, is_cluster: bool
) -> "Storage | None":
    """Return where a sweep keeps the states of its unfinished trials, None for its own folder.

    Args:
        name: The sweep's.
        asked: What ``--storage`` says, or None.
        recorded: What the ledger of a sweep that goes on says.
        is_cluster: Whether its own folder is not seen from where its trials run.

    Raises:
        SweepError: ``asked`` is nothing that states can be kept in.
    """
    uri = storage_uri(asked) if asked is not None else None
    if recorded is not None and uri in {None, recorded["uri"]}:
        return Storage(**recorded)
    return Storage(f"{name}-{uuid4().hex[:12]}", uri) if uri or is_cluster else None


@dataclass(frozen=True)
class Storage:
    """Keeps the states of a sweep's unfinished trials: on a worker's own disk, and for others at an address.

    Args:
        key: The sweep's own name among all sweeps.
        uri: What :func:`storage_uri` returns; None where a state stays on the disk of the worker.
    """

    key: str
    uri: str | None

    def __post_init__(self) -> None:
        """Check what may come from a ledger of somebody else's: folders of the key's are deleted.

        Raises:
            SweepError: The key is none that :func:`chosen_storage` makes.
        """
        if not re.fullmatch(f"{NAME_PATTERN}-[0-9a-f]{{12}}", self.key):
            raise SweepError(f"the ledger's storage is called {self.key!r}, which no sweep's is")

    @property
    def own_folder(self) -> Path:
        """The folder on this machine's disk, which need not exist."""
        return Path(tempfile.gettempdir()) / f"gan-sweep-{os.getuid()}" / self.key

    def own_file(self, name: str) -> Path:
        """Return the file of a state on this machine's disk, in a folder that is this user's alone.

        Raises:
            PermissionError: Somebody else has made the folder.
        """
        self.own_folder.parent.mkdir(mode=0o700, exist_ok=True)
        if self.own_folder.parent.lstat().st_uid != os.getuid():
            raise PermissionError(f"{self.own_folder.parent} is another user's")
        self.own_folder.mkdir(mode=0o700, exist_ok=True)
        return self.own_folder / name

    def fetch(self, file: Path) -> None:
        """Replace a worker's file by the state that is kept for others, where there is one."""
        from pyarrow.fs import FileType, LocalFileSystem, copy_files

        if self.uri is None:
            return
        system, folder = self._opened()
        kept = f"{folder}/{file.name}"
        if system.get_file_info(kept).type is FileType.NotFound:
            return
        draft = file.with_name(f"{file.name}.draft")
        copy_files(kept, str(draft), source_filesystem=system, destination_filesystem=LocalFileSystem())
        draft.replace(file)

    def keep(self, file: Path) -> None:
        """Keep the state in a worker's file for others, whole or not at all."""
        from pyarrow.fs import LocalFileSystem, copy_files

        if self.uri is None:
            return
        system, folder = self._opened()
        kept = f"{folder}/{file.name}"
        copy_files(
            str(file), f"{kept}.draft", source_filesystem=LocalFileSystem(), destination_filesystem=system
        )
        system.move(f"{kept}.draft", kept)

    def drop(self, name: str) -> None:
        """Delete the state that is kept for others, if there is one.

        Raises:
            OSError: It cannot be deleted.
        """
        from pyarrow.fs import FileType

        if self.uri is None:
            return
        system, folder = self._opened()
        if system.get_file_info(f"{folder}/{name}").type is FileType.File:
            system.delete_file(f"{folder}/{name}")

    def prepare(self) -> None:
        """Make the place that states are kept at, with a file that :meth:`fault` looks for.

        Raises:
            SweepError: It cannot be written.
        """
        if self.uri is None:
            return
        try:
            system, folder = self._opened()
            system.create_dir(folder)
            with system.open_output_stream(f"{folder}/{_PROBE}") as stream:
                stream.write(self.key.encode())
        except (OSError, ValueError, NotImplementedError) as error:
            raise SweepError(f"nothing can be kept in --storage {self.uri}: {in_one_line(error)}") from error

    def fault(self) -> str | None:
        """Return why this machine cannot keep states there, in words, or None."""
        from pyarrow.fs import FileType

        if self.uri is None:
            return None
        try:
            system, folder = self._opened()
            if system.get_file_info(f"{folder}/{_PROBE}").type is FileType.NotFound:
                return f"does not see what is in --storage {self.uri}: it must be one place for all nodes"
            own = f"{folder}/{uuid4().hex}"
            with system.open_output_stream(own) as stream:
                stream.write(self.key.encode())
            system.delete_file(own)
        except (OSError, ValueError, NotImplementedError) as error:
            return f"cannot write to --storage {self.uri}: {in_one_line(error)}"
        return None

    def working_folder(self) -> "tuple[FileSystem, str]":
        """Return a place for what the sweep's trials exchange."""
        system, folder = self._opened()
        return system, f"{folder}/exchanged"

    def clear(self) -> None:
        """Delete all that is kept of the sweep.

        Raises:
            OSError: It cannot be deleted.
        """
        if self.uri is not None:
            system, folder = self._opened()
            system.delete_dir(folder)

    def _opened(self) -> "tuple[FileSystem, str]":
        from pyarrow.fs import FileSystem

        system, folder = FileSystem.from_uri(self.uri)
        return system, f"{folder}/{self.key}"
