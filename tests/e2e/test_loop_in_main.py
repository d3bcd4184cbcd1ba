"""A sweep of a training loop of a script or a notebook, which only its process can resume."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import pytest

import sweeps
from gan_core.errors import ImportPathError
from sweeps.driver.rerun import rerun
from sweeps.errors import SweepError
from tests.e2e.commands import gan_sweep, workplace_in

SCRIPT = Path(__file__).with_name("in_main.py")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    copyfile(SCRIPT, folder / "script.py")
    helping = "def distance(one, other):\n    return (one.mean(0) - other.mean(0)).square().mean()\n"
    (folder / "helping.py").write_text(helping, encoding="utf-8")
    return folder


def test_a_function_of_main_is_trained_in_a_sweep_and_resumed_by_its_process_alone(workplace):
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=workplace, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" 2 (2, 1, 28, 28)")
    assert "__main__:train is sent to the workers by value: only this process can resume the" in done.stderr
    (copy,) = (workplace / "results" / "sent" / "code").iterdir()
    names = sorted(file.name for file in copy.iterdir())
    assert names[0] == "helping.py"
    assert names[1].startswith("sent_by_value_")
    message = "exists only in the process that ran the sweep: put the function and its config into a module"
    refused = gan_sweep("resume", "sent", "--trials", "3", cwd=workplace)
    assert refused.returncode == 2
    assert message in refused.stderr
    with pytest.raises(SweepError, match=f"sent cannot be resumed: .* {message}"):
        sweeps.confirm("sent", results=workplace / "results", allow_imports=True, quiet=True)
    with pytest.raises(ImportPathError, match=message):
        next(rerun(sweeps.load("sent", workplace / "results"), "sent-0000"))
