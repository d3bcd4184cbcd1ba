"""The state of a training, in two generations: each whole and checked, read without executing code."""

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

    The file is written beside its place, brought to disk and then renamed; the state that it replaces is kept
    as the :func:`previous_checkpoint` one.
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
    if file.exists():
        file.replace(previous_checkpoint(file))
    draft.replace(file)


def previous_checkpoint(file: Path) -> Path:
    """Return where the state lies that was replaced last."""
    return file.with_name(f"{file.name}.previous")


def load_latest_checkpoint(
    file: Path, device: torch.device | str, on_damage: Callable[[str], object]
) -> dict[str, Any] | None:
    """Read the newest state that is whole, None where there is none.

    Args:
        file: Where :func:`save_checkpoint` wrote.
        device: Where its tensors are to be.
        on_damage: Called with what is wrong with one that is not whole, and what is done about it.
    """
    generations = [each for each in (file, previous_checkpoint(file)) if each.exists()]
    for generation in generations:
        try:
            return load_checkpoint(generation, device)
        except CorruptedCheckpointError as error:
            generation.replace(file.with_name(f"{generation.name}.damaged"))
            is_last = generation is generations[-1]
            on_damage(f"{error}; {'training begins anew' if is_last else 'the previous one is taken'}")
    return None


def load_checkpoint(file: Path | str, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote, its tensors on ``device``.

    Raises:
        CorruptedCheckpointError: The content does not have the SHA-256 that was written after it, or it holds
            more than a state does, such as code.
        FileNotFoundError: There is no such file.
    """
    content = Path(file).read_bytes()
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise CorruptedCheckpointError(f"{file} is half-written or damaged")
    try:
        state: dict[str, Any] = torch.load(BytesIO(body), map_location=device, weights_only=True)
    except (UnpicklingError, RuntimeError) as error:
        raise CorruptedCheckpointError(f"{file} holds no state of a training: {in_one_line(error)}") from None
    return state
