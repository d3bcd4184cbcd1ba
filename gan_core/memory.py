"""Memory settings for a training process."""

import ctypes
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES = 32 * 2**20
"""The maximum on 64-bit systems; glibc ignores higher values."""
_TRIM_THRESHOLD_BYTES = 2**30


CUDA_CONTEXT_BYTES = 512 * 2**20
"""What CUDA itself takes on a GPU for each process, about: kernels, handles and their workspaces."""


def limit_gpu_memory(share: float) -> None:
    """Let this process allocate only its share of the current GPU, for all trainings that follow.

    Without a limit, the training that allocates last runs out of memory, whichever training is too large.
    The share includes the memory that CUDA itself takes (:data:`CUDA_CONTEXT_BYTES`).

    Args:
        share: The share, in (0, 1]; with 1, there is no limit.
    """
    import torch

    if share < 1:
        total = torch.cuda.get_device_properties().total_memory
        torch.cuda.set_per_process_memory_fraction(max(0.0, share - CUDA_CONTEXT_BYTES / total))


def gpu_memory(device: "torch.device | str") -> float:
    """Return how many bytes this process may allocate on a GPU; infinity for any other device.

    The number does not depend on what other processes use at the moment, so that a training places its data
    in the same way at every start.
    """
    import torch

    if torch.device(device).type != "cuda":
        return float("inf")
    total = torch.cuda.get_device_properties(device).total_memory
    return total * torch.cuda.get_per_process_memory_fraction(device)


def copied_to(device: "torch.device", values: "torch.Tensor") -> "torch.Tensor":
    """Return values on a device; a copy from the CPU to a GPU does not keep this process waiting.

    Such a copy goes through pinned memory.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def release_gpu_memory() -> None:
    """Return the memory that freed tensors still occupy to the GPU, for other processes."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def keep_freed_memory() -> bool:
    """Make glibc keep up to 1 GiB of freed memory, and return whether it will: False without glibc.

    Every step allocates its gradients. By default, glibc returns blocks of that size to the system and
    faults the pages in again: a fifth of an MLP step on a CPU in mixed precision. The setting affects the
    whole process, so call this function only in a process that only trains.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {_M_MMAP_THRESHOLD: _MMAP_THRESHOLD_BYTES, _M_TRIM_THRESHOLD: _TRIM_THRESHOLD_BYTES}
    return all(mallopt(name, value) for name, value in settings.items())
