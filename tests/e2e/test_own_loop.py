"""A sweep of a training loop of the user's own, from its file to its leaderboard."""

import json
import re
from pathlib import Path
from shutil import copyfile, copytree

import pytest
from mlflow import MlflowClient

import sweeps
from sweeps.errors import SweepError
from tests.e2e.commands import board, gan_sweep, killed_after, workplace_in

LOOPS = Path(__file__).parents[1] / "gan_core" / "loops_with_parameters.py"
FILE = """\
name: mine
train: mine:train
method: random
trials: 3
checkpoint_every: 0
parameters:
  gamma: {distribution: log_uniform_values, min: 0.1, max: 10}
  width: {values: [32, 64]}
  steps: 6
  report_every: 2
  eval_samples: 200
  final_samples: 200
early_terminate: {type: none}
"""
MODULE = """\
import loops
from loops import Config


def train(config: Config, data, device, state=None):
    from late import check
    check(config)
    yield from loops.train(config, data, device, state)
"""
LATE = "def check(config):\n    assert config.width > 0\n"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    copyfile(LOOPS, folder / "loops.py")
    (folder / "mine.py").write_text(MODULE, encoding="utf-8")
    (folder / "late.py").write_text(LATE, encoding="utf-8")
    (folder / "mine.yaml").write_text(FILE, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def finished(workplace):
    done = gan_sweep("mine.yaml", "--allow-imports", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_check_says_what_the_loop_does_right_and_trains_nothing(workplace):
    before = sorted(workplace.rglob("*.db"))
    done = gan_sweep("check", "mine.yaml", "--allow-imports", cwd=workplace)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert first == "mine:train on the CPU"
    assert [line[0] for line in lines] == ["✓"] * 7 + ["s", "c", "i", "f"]
    assert "✓ reports finite numbers: mean_loss" in lines
    assert re.fullmatch(r"step +[\d.]+ ms", lines[7])
    assert lines[9:] == ["interrupted  resumes exactly", "final score  of the best report"]
    assert sorted(workplace.rglob("*.db")) == before
    refused = gan_sweep("check", "mine.yaml", cwd=workplace)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "mine:train names code, and importing it runs that code" in refused.stderr


@pytest.mark.parametrize(
    ("command", "mistake", "message"),
    [
        (
            ["mine.yaml", "--name", "bad"],
            ("optimizer.load_state_dict(", "print("),
            "bad:train: state()['generator']['0.weight'] at step 6 differs after a restart from the state of",
        ),
        (
            ["check", "mine.yaml", "--json", "--set", "trial_timeout=5"],
            ("loss.backward()", "loss.backward(); import time; time.sleep(3600)"),
            "bad:train: the worker that checked it died or exceeded trial_timeout, 5 s while it was waiting"
            " for bad:train to report step 3",
        ),
    ],
    ids=["forgets its optimizer", "hangs"],
)
def test_a_loop_that_fails_its_check_is_refused_before_a_sweep_begins(workplace, command, mistake, message):
    code = LOOPS.read_text(encoding="utf-8").replace(*mistake)
    (workplace / "bad.py").write_text(code, encoding="utf-8")
    settings = ("--set", "train=bad:train", "--allow-imports")
    done = gan_sweep(*command, *settings, cwd=workplace)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr.splitlines()[-1]
    assert not (workplace / "results" / "bad").exists()


def test_a_loop_without_a_state_is_a_warning_of_the_sweep(workplace):
    code = LOOPS.read_text(encoding="utf-8").replace("state=lambda step=step: {", "signs={} if step else {")
    (workplace / "stateless.py").write_text(code, encoding="utf-8")
    settings = ("--set", "train=stateless:train", "--name", "stateless", "--trials", "1", "--allow-imports")
    done = gan_sweep("mine.yaml", *settings, cwd=workplace)
    assert done.returncode == 0, done.stderr
    remark = "Warning: stateless:train yields no state: an interrupted training starts over"
    assert remark in done.stderr.splitlines()


def test_the_loop_is_searched_and_ranked_by_its_own_hyperparameters(finished, workplace):
    assert finished["trials"] == {"completed": 3}
    sweep = sweeps.load("mine", workplace / "results")
    baseline = sweep.trials[sweep.trials["is_baseline"]].iloc[0]
    assert (baseline["gamma"], baseline["width"], baseline["lr"]) == (1.0, 64, 2e-4)
    assert sweep.rank()["fid"].notna().all()
    assert set(sweep.importances()["parameter"]) == {"gamma", "width"}
    assert "mean_loss" in sweep.history.columns
    ranked = gan_sweep("rank", "mine", "--format", "json", "--where", "gamma == 1.0", cwd=workplace)
    assert [row["trial_id"] for row in json.loads(ranked.stdout)] == [baseline["trial_id"]]


def test_mlflow_has_the_loops_hyperparameters_and_metrics(finished, workplace):
    client = MlflowClient(f"sqlite:///{workplace / 'results' / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "mine"]
    (run,) = client.search_runs([experiment.experiment_id], "params.gamma = '1.0'")
    assert "mean_loss" in run.data.metrics
    assert "architecture" not in run.data.params


def test_a_trial_is_trained_again_bit_for_bit(finished, workplace):
    done = gan_sweep("rerun", "mine", finished["best"]["trial_id"], "--allow-imports", cwd=workplace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line.endswith("as recorded") for line in done.stdout.splitlines())


def test_a_killed_sweep_resumes_to_the_same_leaderboard(finished, workplace):
    name = ("--name", "killed")
    killed_after(2, "killed", "mine.yaml", "--allow-imports", *name, workplace=workplace)
    refused = gan_sweep("resume", "killed", cwd=workplace)
    assert refused.returncode == 2
    assert "the sweep killed cannot be resumed: mine:train names code" in refused.stderr
    done = gan_sweep("resume", "killed", "--allow-imports", cwd=workplace)
    assert done.returncode == 0, done.stderr
    assert board(workplace, "killed") == board(workplace, "mine")


def test_the_code_lies_with_the_sweep_and_each_trial_has_its_version(finished, workplace):
    sweep = sweeps.load("mine", workplace / "results")
    (version,) = sweep.facts["code"]
    assert [*version["files"]] == ["late.py", "loops.py", "mine.py"]
    for name in version["files"]:
        assert (sweep.folder / version["folder"] / name).read_bytes() == (workplace / name).read_bytes()
    assert [sweep.code_of(trial) for trial in sweep.trials["trial_id"]] == [[1], [1], [1]]


@pytest.fixture
def changed(finished, workplace):
    """Yield the workplace with a change in a module that the loop imports late; undo it."""
    (workplace / "late.py").write_text(f"{LATE}    # once more\n", encoding="utf-8")
    yield workplace
    (workplace / "late.py").write_text(LATE, encoding="utf-8")


def test_a_sweep_with_changed_code_resumes_only_if_the_user_accepts_it(changed):
    copy = changed / "results" / "changed"
    copytree(changed / "results" / "mine", copy)
    more = ("resume", "changed", "--trials", 4, "--allow-imports")
    refused = gan_sweep(*more, cwd=changed)
    assert refused.returncode == 2
    fault = "the code has changed since the last trials were trained: late.py differs; new trials would"
    assert f"resume changed: {fault}" in refused.stderr
    assert "Restore the code from results/changed/code/1, or add --changed-code" in refused.stderr
    refused = gan_sweep("confirm", "changed", "--until-resolved", "--allow-imports", cwd=changed)
    assert f"confirm changed: {fault}" in refused.stderr
    sweep = sweeps.load("changed", changed / "results")
    assert len(sweep.facts["code"]) == 1

    done = gan_sweep(*more, "--changed-code", "--json", cwd=changed)
    assert done.returncode == 0, done.stderr
    sweep.refresh()
    assert [sweep.code_of(trial) for trial in sweep.trials["trial_id"]] == [[1], [1], [1], [2]]
    assert "once more" in (copy / "code" / "2" / "late.py").read_text()
    (warning,) = json.loads(done.stdout)["warnings"]
    added = sweep.trials["trial_id"].iloc[-1]
    expected = f"late.py differs; {added} trained with the changed code, code/2"
    assert warning == f"the code changed during the sweep: {expected}"
    assert warning in (copy / "report.html").read_text()
    refused = gan_sweep(*more[:2], "--trials", 5, cwd=changed)
    assert "names code" in refused.stderr


def test_rerun_names_the_changed_file_where_a_result_differs(changed, finished):
    (changed / "late.py").write_text(
        "def check(config):\n    import torch; torch.rand(1)\n", encoding="utf-8"
    )
    trial = finished["best"]["trial_id"]
    done = gan_sweep("rerun", "mine", trial, "--allow-imports", cwd=changed)
    assert done.returncode == 1
    assert f"the code has changed since {trial} was trained: late.py differs" in done.stderr


@pytest.mark.slow
def test_code_that_changes_while_a_sweep_runs_is_recorded_with_its_trials(tmp_path, monkeypatch):
    copyfile(LOOPS, tmp_path / "edited_loops.py")
    monkeypatch.syspath_prepend(tmp_path)
    file = FILE.replace("mine:", "edited_loops:").replace("mine", "edited").replace("trials: 3", "trials: 2")
    one_after_another = "resources: {cpu: 2}\nfresh_worker: true\n"
    (tmp_path / "edited.yaml").write_text(file + one_after_another, encoding="utf-8")
    options = {"results": tmp_path / "results", "allow_imports": True, "quiet": True}

    def edit(*_report):
        with (tmp_path / "edited_loops.py").open("a", encoding="utf-8") as module:
            module.write("\n# edited\n")

    edits = iter([edit])
    sweep = sweeps.run(
        tmp_path / "edited.yaml", **options, on_report=lambda *report: next(edits, lambda *_: None)(*report)
    )
    assert [sweep.code_of(trial) for trial in sweep.trials["trial_id"]] == [[1], [2]]
    assert "edited-0001: trains with changed code: edited_loops.py differs" in (
        (sweep.folder / "sweep.log").read_text(encoding="utf-8")
    )
    edit()
    more = {"overrides": {"trials": 3}, **options}
    with pytest.raises(SweepError, match=r"edited_loops.py differs; .* Restore the code from .*/code/2"):
        sweeps.resume("edited", **more)
    sweep = sweeps.resume("edited", **more, changed_code=True)
    assert [sweep.code_of(trial) for trial in sweep.trials["trial_id"]] == [[1], [2], [3]]
