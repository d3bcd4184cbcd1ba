import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).with_name("gan-sweep")


def test_help_names_the_commands_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, text=True, check=True
    )
    assert all(command in done.stdout for command in ("run", "rank", "ui"))
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"torch", "ray", "optuna", "mlflow", "pandas", "pydantic"}


def test_without_arguments_it_shows_its_help():
    done = subprocess.run([COMMAND], capture_output=True, text=True)
    assert "Usage: gan-sweep" in done.stdout + done.stderr


def test_an_unknown_command_exits_with_2():
    done = subprocess.run([COMMAND, "rnk", "x"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "rank" in done.stderr
