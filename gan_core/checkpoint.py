"""Training checkpoints: the latest and the previous, each with a checksum, loaded without running code."""

import hashlib
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from gan_core.errors import CorruptedCheckpointError, in_one_line

DIGEST_BYTES = hashlib.sha256().digest_size


def save_checkpoint(file: Path, state: dict[str, Any]) -> None:
    """Write ``state``, nested containers of tensors, numbers and text, followed by its SHA-256.

    The state is written to a temporary file, flushed to disk and then renamed, so that a crash leaves no
    partial checkpoint. The replaced file moves to :func:`previous_checkpoint`.
    """
    draft = file.with_name(f"{file.name}.draft")
    with draft.open("wb") as stream:
        stream.write(_written(state).getbuffer())
        stream.flush()
        os.fsync(stream.fileno())
    if file.exists():
        file.replace(previous_checkpoint(file))
    draft.replace(file)


def checkpoint_bytes(state: dict[str, Any]) -> bytes:
    """Return the content of the file that :func:`save_checkpoint` would write."""
    return _written(state).getvalue()


def _written(state: dict[str, Any]) -> BytesIO:
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    return buffer


def previous_checkpoint(file: Path) -> Path:
    """Return the path that the replaced checkpoint moves to."""
    return file.with_name(f"{file.name}.previous")


def load_latest_checkpoint(
    file: Path, device: torch.device | str, on_damage: Callable[[str], object]
) -> dict[str, Any] | None:
    """Load the latest checkpoint that is not corrupted; return None without such a checkpoint.

    Args:
        file: The file that :func:`save_checkpoint` wrote.
        device: The device to load the tensors to.
        on_damage: Called with a message for each corrupted checkpoint: what is wrong, and what happens next.
    """
    generations = [each for each in (file, previous_checkpoint(file)) if each.exists()]
    for generation in generations:
        try:
            return load_checkpoint(generation, device)
        except CorruptedCheckpointError as error:
            generation.replace(file.with_name(f"{generation.name}.damaged"))
            is_last = generation is generations[-1]
            then = "training starts over" if is_last else "falling back to the previous checkpoint"
            on_damage(f"{error}; {then}")
    return None


def load_checkpoint(file: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Load the state that :func:`save_checkpoint` wrote, with its tensors on ``device``.

    Raises:
        CorruptedCheckpointError: The SHA-256 does not match the content, or the content is not plain data:
            it contains code, for example.
        FileNotFoundError: The file does not exist.
    """
    content = Path(file).read_bytes()
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CorruptedCheckpointError(f"{file} is truncated or corrupted")
    try:
        state: dict[str, Any] = torch.load(BytesIO(body), map_location=device, weights_only=True)
    except (UnpicklingError, RuntimeError) as error:
        raise CorruptedCheckpointError(f"{file} is not a training checkpoint: {in_one_line(error)}") from None
    return state
