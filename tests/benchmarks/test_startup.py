import subprocess
import sys

from benchmarks.startup import WATCHED


def test_the_command_that_records_the_first_step_runs():
    done = subprocess.run([sys.executable, "-c", WATCHED, "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
