"""The global random numbers of a process: those of torch, CUDA, NumPy and Python's random."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

NUMPY_SEEDS = 2**32


def seed_randomness(seed: int) -> None:
    """Seed torch on every device, NumPy and ``random``."""
    torch.manual_seed(seed)
    np.random.seed(seed % NUMPY_SEEDS)
    random.seed(seed)


def random_state() -> dict[str, Any]:
    """Return the global random states, as tensors and numbers, for :func:`set_random_state`.

    CUDA's are included if the process has used CUDA.
    """
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest],
        "random": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Restore the global random states that :func:`random_state` returned; missing ones stay as they are."""
    if "torch" in state:
        torch.set_rng_state(state["torch"].cpu())
    for device, its in zip(range(_n_gpus()), state.get("cuda", []), strict=False):
        torch.cuda.set_rng_state(its.cpu(), device)
    if "numpy" in state:
        name, keys, *rest = state["numpy"]
        np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), *rest))
    if "random" in state:
        random.setstate(state["random"])


def host_random_state(device: torch.device) -> tuple[object, ...]:
    """Return the global random states that a training on ``device`` does not draw from, to compare them.

    These are the states of NumPy and ``random``, and on a GPU the state of torch's generator on the CPU.
    """
    _, keys, *rest = np.random.get_state(legacy=True)
    ours = b"" if device.type == "cpu" else torch.get_rng_state().numpy().tobytes()
    return random.getstate(), np.asarray(keys).tobytes(), rest, ours


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global random numbers for a block of code, and restore them after it."""
    before = random_state()
    seed_randomness(seed)
    try:
        yield
    finally:
        set_random_state(before)


def _n_gpus() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
