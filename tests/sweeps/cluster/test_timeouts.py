"""Training loops that do not end, and how the log of their worker shows it."""

import subprocess
import sys
import time

import pytest

from sweeps.cluster import timeouts
from sweeps.cluster.timeouts import LoopStuck, has_timed_out, loop_ending, stuck_loop

NEVER = """\
from sweeps.cluster import timeouts

timeouts.SECONDS_TO_END = timeouts.SECONDS_TO_BE_INTERRUPTED = 0.2
with timeouts.loop_ending("tiny-0001"):
    pass
with timeouts.loop_ending("tiny-0002"):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""


def test_a_loop_that_waits_is_interrupted(monkeypatch, capfd):
    monkeypatch.setattr(timeouts, "SECONDS_TO_END", 0.1)
    message = r"loop of tiny-0001 did not end within 0\.1 s and was interrupted"
    with pytest.raises(LoopStuck, match=message), loop_ending("tiny-0001"):
        time.sleep(60)
    with loop_ending("tiny-0002"):
        pass
    assert stuck_loop(capfd.readouterr().err) is None


def test_a_loop_that_cannot_be_interrupted_ends_its_worker_and_is_named():
    done = subprocess.run([sys.executable, "-c", NEVER], capture_output=True, text=True)
    assert done.returncode != 0
    assert has_timed_out(done.stderr)
    assert stuck_loop(done.stderr) == "tiny-0002"
