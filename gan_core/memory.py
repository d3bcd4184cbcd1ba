"""How a process that trains keeps its memory."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_THRESHOLD_BYTES = 32 * 2**20
"""The most that glibc takes on a 64-bit system; it ignores more."""
_TRIM_THRESHOLD_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Keep up to 1 GiB of freed memory for the next allocation, and return whether this could be done.

    Every step allocates the gradients anew. glibc gives blocks of their size back to the system at once, and
    gets them again page by page, each a fault: a fifth of a step of the MLP's on a CPU, in mixed precision.
    It concerns all of the process, so that whoever owns it must ask for it: a worker that does nothing but
    train. Elsewhere than with glibc nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {_M_MMAP_THRESHOLD: _MMAP_THRESHOLD_BYTES, _M_TRIM_THRESHOLD: _TRIM_THRESHOLD_BYTES}
    return all(mallopt(name, value) for name, value in settings.items())
