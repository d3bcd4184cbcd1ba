"""The state of a training, in one file: written whole or not at all, read without executing code."""

import hashlib
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from gan_core.errors import CorruptedCheckpointError

DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write ``state``, nested containers of tensors, numbers and text, followed by its SHA-256.

    The file is written beside its place, brought to disk and then renamed, so that whoever reads it finds
    the last state or this one.
    """
    buffer = BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.write(hashlib.sha256(content).digest())
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def load_checkpoint(file: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, its tensors on ``device``.

    Raises:
        CorruptedCheckpointError: The content does not have the SHA-256 that was written after it.
        FileNotFoundError: There is no such file.
    """
    content = file.read_bytes()
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CorruptedCheckpointError(f"{file}: half-written or damaged; delete it to start from step 0")
    state: dict[str, Any] = torch.load(BytesIO(body), map_location=device, weights_only=True)
    return state
