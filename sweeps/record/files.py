"""Put files in place atomically: after a crash, each is whole or missing."""

import os
from pathlib import Path


def put_in_place(draft: Path, file: Path) -> None:
    """Rename a complete file over another one, durably: after a crash, one of the two is there, whole."""
    for path in (draft, file.parent):
        if path == file.parent:
            draft.replace(file)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file through a draft beside it, which takes the file's place once it is on disk."""
    draft = file.with_name(f"{file.name}.draft")
    draft.write_bytes(content)
    put_in_place(draft, file)
