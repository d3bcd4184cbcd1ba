"""Memory settings for a training process."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES = 32 * 2**20
"""The maximum on 64-bit systems; glibc ignores higher values."""
_TRIM_THRESHOLD_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Make glibc keep up to 1 GiB of freed memory, and return whether it will: False without glibc.

    Every step allocates its gradients. By default, glibc returns blocks of that size to the system and
    faults the pages in again: a fifth of an MLP step on a CPU in mixed precision. The setting affects the
    whole process, so call it only in a process that does nothing but train.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {_M_MMAP_THRESHOLD: _MMAP_THRESHOLD_BYTES, _M_TRIM_THRESHOLD: _TRIM_THRESHOLD_BYTES}
    return all(mallopt(name, value) for name, value in settings.items())
