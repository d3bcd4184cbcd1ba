import os
import platform
import subprocess
import sys

import pytest

FAULTS = """\
import resource
import torch
from gan_core.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [torch.ones(1024, 1024) for _ in range(4)]
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

torch.set_num_threads(1)
if {keep}:
    assert keep_freed_memory()
faults()
print(faults())
"""


def _faults(*, keep):
    """Count page faults in a process where glibc, left alone, gives large blocks back at once."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(keep=keep)],
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "131072"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is asked")
def test_blocks_of_a_gradients_size_are_used_again_without_page_faults():
    assert _faults(keep=True) < 100 < _faults(keep=False)
