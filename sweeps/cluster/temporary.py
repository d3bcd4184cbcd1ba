"""Find a folder for the files and sockets of a local Ray."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray._common.utils import get_default_ray_temp_dir

from sweeps.errors import SweepError

SOCKET_PATH_BYTES = 103
"""The longest path of a socket: 103 bytes on macOS, 107 on Linux."""

SOCKET = "/session_2026-01-31_23-59-59_999999_4194304/sockets/plasma_store"
"""The longest path of Ray's sockets in its folder."""

SHORT_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a new folder in them is private


@contextmanager
def ray_folder() -> Iterator[str | None]:
    """Yield the folder for Ray's files; None for the one that Ray chooses by itself.

    Ray chooses a folder in ``RAY_TMPDIR`` or ``TMPDIR``. If its sockets would have too long a path there, as
    on clusters with a folder for each job, or if the folder cannot be written, Ray gets a new and private
    folder, which is deleted after the block.

    Raises:
        SweepError: No folder with a short path can be written.
    """
    default = get_default_ray_temp_dir()
    if _is_short(default) and _is_writable(Path(default)):
        yield None
        return
    for parent in SHORT_FOLDERS:
        if os.access(parent, os.W_OK | os.X_OK):
            with tempfile.TemporaryDirectory(
                prefix="gan-sweep-", dir=parent, ignore_cleanup_errors=True
            ) as own:
                yield own
            return
    longest = SOCKET_PATH_BYTES - len(SOCKET) - len("/ray")
    raise SweepError(
        f"Ray needs a folder for its sockets, and cannot use {default}: set RAY_TMPDIR to a folder that can"
        f" be written and has a path of at most {longest} bytes"
    )


def _is_short(folder: str) -> bool:
    return len(os.fsencode(folder)) + len(SOCKET) <= SOCKET_PATH_BYTES


def _is_writable(folder: Path) -> bool:
    """Return whether a folder can be written, or made."""
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    return folder.is_absolute() and existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
