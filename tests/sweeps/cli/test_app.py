import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from signal import SIGINT

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from sweeps.analysis.loading import load
from sweeps.cli.app import app, main
from sweeps.cli.printing import MOST_ROWS
from sweeps.driver.runner import RESUME_KEYS, Outcome
from sweeps.generators.samples import ANIMATION_FORMATS
from sweeps.record.locks import running_lock
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import DEFAULT_MAX_SEEDS, GOALS, Confirm
from tests.sweeps.ledgers import write_sweep
from tests.sweeps.specs import GOOD, write

COMMAND = Path(sys.executable).with_name("gan-sweep")


def run(*arguments, **options):
    return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)


def test_help_names_the_commands_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, "--help"], capture_output=True, text=True, check=True
    )
    assert all(command in done.stdout for command in ("run", "rank", "ui", "stop", "rm"))
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"torch", "ray", "optuna", "mlflow", "pandas", "pydantic"}


@pytest.fixture(scope="module")
def texts():
    """The help text of each argument and option, by its command and its name in Python."""
    commands = get_command(app).commands
    return {(name, each.name): each.help for name, command in commands.items() for each in command.params}


def test_every_argument_and_option_has_a_help_text(texts):
    assert [each for each, text in texts.items() if not text] == []


def test_help_texts_list_what_is_allowed_and_state_the_defaults(texts):
    assert all(metric in texts["rank", "by"] for metric in GOALS)
    assert all(key in texts["resume", "set_"] for key in RESUME_KEYS)
    assert all(suffix in texts["sample", "out"] for suffix in ANIMATION_FORMATS)
    assert f"at most {MOST_ROWS} rows" in texts["rank", "top"]
    for command in ("run", "preview"):
        assert f"or {SweepSpec.model_fields['trials'].default}." in texts[command, "trials"]
    assert f"or {SweepSpec.model_fields['seed'].default}." in texts["run", "seed"]
    assert f"or {Confirm().top}." in texts["confirm", "top"]
    assert f"or {Confirm().seeds}." in texts["confirm", "seeds"]
    assert f" {DEFAULT_MAX_SEEDS}, or S" in texts["confirm", "max_seeds"]


def test_help_breaks_lines_at_the_width_of_the_terminal_alone():
    done = CliRunner().invoke(app, ["resume", "--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})
    assert "from their last checkpoints. A finished sweep stays as it is" in done.output


def test_without_arguments_it_shows_its_help():
    done = run()
    assert "Usage: gan-sweep" in done.stdout + done.stderr


def test_an_unknown_command_exits_with_2():
    done = run("rnk", "x")
    assert done.returncode == 2
    assert "rank" in done.stderr


def test_the_version_is_printed():
    assert CliRunner().invoke(app, ["--version"]).output == f"gan-sweep {version('gan-sweep')}\n"


def test_options_may_come_before_the_file(tmp_path):
    file = write(tmp_path, GOOD)
    before = CliRunner().invoke(app, ["--trials", "3", "--dry-run", "--json", str(file)])
    after = CliRunner().invoke(app, [str(file), "--trials", "3", "--dry-run", "--json"])
    assert json.loads(before.stdout)["trials"] == json.loads(after.stdout)["trials"] == 3


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A folder with modules that have the names of modules that the command imports."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("random", "pandas", "ray"):
        (folder / f"{name}.py").write_text("raise SystemExit('foreign code ran')\n", encoding="utf-8")
    return folder


def test_no_module_of_the_current_folder_is_imported(hostile):
    write_sweep(hostile / "results")
    done = run("rank", "tiny", "--format", "csv", cwd=hostile)
    assert (done.returncode, done.stderr) == (0, "")
    as_module = [sys.executable, "-m", "sweeps.cli", "list"]
    assert "foreign code" not in subprocess.run(as_module, cwd="/", capture_output=True, text=True).stderr


def test_an_installed_module_comes_before_one_of_the_same_name_in_the_current_folder(hostile):
    spec = write(hostile, GOOD + "  architecture: {value: 'pandas:Pair'}\n")
    done = run("preview", spec, "--json", "--allow-imports", cwd=hostile)
    assert done.returncode == 2
    assert f"hides {hostile / 'pandas.py'}: rename that file" in done.stderr
    assert "site-packages/pandas/__init__.py" in done.stderr


@pytest.fixture
def results(tmp_path):
    write_sweep(tmp_path, name="older")
    write_sweep(tmp_path, name="newer")
    return tmp_path


def test_without_a_name_the_newest_sweep_is_taken_and_named(results, monkeypatch):
    monkeypatch.setenv("GAN_SWEEP_RESULTS", str(results))
    done = CliRunner().invoke(app, ["report"])
    assert done.exit_code == 0, done.output
    assert done.stderr == f"newer, the newest sweep in {results}\n"
    assert (results / "newer" / "report.html").exists()


@pytest.mark.parametrize("command", ["rm", "stop", "rerun"])
def test_no_sweep_is_deleted_stopped_or_trained_again_without_its_name(results, command):
    done = CliRunner().invoke(app, [command, "--results", str(results)])
    assert done.exit_code == 2
    assert "Missing argument 'NAME'" in done.stderr


def test_rm_asks_first(results):
    refused = CliRunner().invoke(app, ["rm", "older", "--results", str(results)], input="n\n")
    assert refused.exit_code == 1
    assert (results / "older").exists()
    done = CliRunner().invoke(app, ["rm", "older", "--results", str(results)], input="y\n")
    assert done.exit_code == 0
    assert "MLflow keeps its runs" in done.stdout
    assert [path.name for path in results.iterdir() if path.is_dir()] == ["newer"]


def test_rm_refuses_a_running_sweep(results):
    with running_lock(results / "older"):
        done = CliRunner().invoke(app, ["rm", "older", "--yes", "--results", str(results)])
    assert done.exit_code == 2
    assert "stop it first: gan-sweep stop older" in done.stderr
    assert (results / "older").exists()


def test_stop_says_what_is_not_running(results):
    done = run("stop", "older", "--results", results)
    assert (done.returncode, done.stderr) == (2, "older is not running\n")


def test_a_confirmation_that_was_stopped_before_its_first_training_exits_with_the_signal(
    results, monkeypatch
):
    outcome = Outcome(load("older", results), SIGINT, out_of_time=False, confirms=True)
    monkeypatch.setattr("sweeps.driver.runner.confirm_sweep", lambda *_: outcome)
    done = CliRunner().invoke(app, ["confirm", "older", "--results", str(results)])
    assert done.exit_code == 130, done.output


def test_a_fault_of_gan_sweep_exits_with_70(monkeypatch, capsys):
    def fails(*_arguments, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("sweeps.analysis.loading.list_sweeps", fails)
    monkeypatch.setattr(sys, "argv", ["gan-sweep", "list"])
    with pytest.raises(SystemExit, match="70"):
        main()
    assert "ZeroDivisionError" in capsys.readouterr().err
