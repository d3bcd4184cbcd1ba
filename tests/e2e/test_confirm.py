"""The real command confirms a sweep on real digits."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from mlflow import MlflowClient
from PIL import Image

import sweeps
from sweeps.errors import UnknownSweepError
from sweeps.tracking.store import Store
from tests.e2e.commands import COMMAND, gan_sweep, workplace_in

SPEC = f"""\
name: tiny
trials: 2
parameters:
  loss: {{values: [lsgan, hinge]}}
  lr: {{distribution: log_uniform_values, min: 1e-4, max: 1e-2}}
  steps: 40
  report_every: 10
  batch_size: 32
  eval_samples: 128
  final_samples: 128
early_terminate: {{type: none}}
checkpoint_every: 0s
confirm: {{top: 2, seeds: 2}}
keep: 1
resources: {{cpu: {os.cpu_count()}}}
"""


def replicas(workplace):
    with suppress(UnknownSweepError):
        return sweeps.load("tiny", workplace / "results").replicas
    return []


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a sweep that was interrupted during its confirmation."""
    folder = workplace_in(tmp_path_factory, spec=SPEC)
    with subprocess.Popen([COMMAND, "spec.yaml", "--quiet"], cwd=folder) as process:
        deadline = time.monotonic() + 200
        while len(replicas(folder)) == 0 or replicas(folder)["step"].max() < 20:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    return folder


@pytest.fixture(scope="module")
def resumed(workplace):
    before = replicas(workplace)
    done = gan_sweep("resume", "tiny", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return before, json.loads(done.stdout)


def test_an_interrupted_confirmation_resumes_and_ends(workplace, resumed):
    before, summary = resumed
    assert "interrupted" in set(before["status"])
    assert (summary["status"], summary["trials"]) == ("completed", {"completed": 2})
    confirmation = summary["confirmation"]
    assert (confirmation["status"], confirmation["trials"]) == ("completed", {"completed": 4})
    assert {row["seeds"] for row in confirmation["finalists"]} == {2}
    assert confirmation["winner"] == confirmation["finalists"][0]["trial_id"]


def test_all_finalists_share_seeds_that_the_search_has_not_used(workplace, resumed):
    sweep = sweeps.load("tiny", workplace / "results")
    seeds = sweep.replicas.groupby("of")["seed"].agg(set)
    assert seeds.index.tolist() == ["tiny-0000", "tiny-0001"]
    assert seeds.iloc[0] == seeds.iloc[1]
    assert len(seeds.iloc[0]) == 2
    assert not seeds.iloc[0] & set(sweep.trials["seed"])
    searched = sweep.trials.set_index("trial_id")
    for _, replica in sweep.replicas.iterrows():
        assert replica["loss"] == searched["loss"][replica["of"]]
        assert replica["lr"] == searched["lr"][replica["of"]]
        assert replica["step"] == 40


@pytest.mark.slow
def test_asking_for_more_seeds_trains_only_the_missing_ones(workplace, resumed):
    before = sweeps.load("tiny", workplace / "results")
    done = gan_sweep("confirm", "tiny", "--seeds", 3, cwd=workplace)
    assert done.returncode == 0, done.stderr
    after = sweeps.load("tiny", workplace / "results")
    assert len(after.replicas) == 6
    kept = after.replicas[after.replicas["trial_id"].isin(before.replicas["trial_id"])]
    assert kept["seconds"].tolist() == before.replicas["seconds"].tolist()
    assert after.trials.equals(before.trials)
    assert after.summary()["seconds"] == before.summary()["seconds"]
    assert "estimated geometric mean of the final fid over fresh seeds" in done.stdout
    lines = done.stdout.splitlines()
    verdict = next(number for number, line in enumerate(lines) if line.startswith("verdict   "))
    assert lines[verdict - 1].startswith("gain      ")

    again = gan_sweep("confirm", "tiny", "--seeds", 3, "--json", cwd=workplace)
    assert json.loads(again.stdout)["trials"] == {"completed": 6}
    assert "nothing was trained: every training of this confirmation had ended before" in again.stderr
    assert after.replicas.equals(sweeps.load("tiny", workplace / "results").replicas)

    table = gan_sweep("rank", "tiny", "--format", "json", cwd=workplace).stdout
    assert [row["seeds"] for row in json.loads(table)] == [3, 3]


def test_the_generator_of_every_finalist_is_kept(workplace, resumed):
    kept = {file.stem for file in (workplace / "results" / "tiny" / "weights").iterdir()}
    assert kept == {row["trial_id"] for row in resumed[1]["confirmation"]["finalists"]}
    drawn = gan_sweep("sample", "tiny", "--out", "a.png", cwd=workplace)
    assert drawn.returncode == 0, drawn.stderr
    exported = gan_sweep("export", "tiny", "--out", "home", "--force", cwd=workplace)
    assert exported.returncode == 0, exported.stderr
    alone = "import sys; sys.modules |= dict.fromkeys(['ray', 'optuna', 'mlflow', 'sweeps'])\n"
    snippet = exported.stdout.split("load it:\n\n")[1]
    subprocess.run([sys.executable, "-c", alone + snippet], cwd=workplace, check=True)
    images = [Image.open(workplace / file) for file in ("a.png", "home/samples.png", "samples.png")]
    assert len({image.tobytes() for image in images}) == 1
    assert "fresh seeds" in (workplace / "home" / "README.md").read_text(encoding="utf-8")


def test_mlflow_has_the_stage_and_the_finalist_of_each_run(workplace, resumed):
    client = MlflowClient(Store.beside(workplace / "results").uri)
    runs = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    tags = {run.data.tags.get("trial_id", "parent"): run.data.tags for run in runs}
    assert tags["tiny-0000"]["stage"] == "search"
    assert tags["tiny-0000-seed1"]["stage"] == "confirm"
    assert tags["tiny-0000-seed1"]["of"] == "tiny-0000"
    assert tags["tiny-0000-seed1"]["mlflow.parentRunId"] == tags["tiny-0000"]["mlflow.parentRunId"]
    assert len(tags) == len(runs)


@pytest.mark.slow
def test_until_resolved_trains_more_seeds_of_tied_finalists(workplace, resumed):
    done = gan_sweep(
        "confirm", "tiny", "--seeds", 3, "--until-resolved", "--max-seeds", 4, "--json", cwd=workplace
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    seeds = [row["seeds"] for row in found["finalists"]]
    if found["tied"]:
        assert seeds in ([3, 3], [4, 4])
        assert ("no more than 4" if seeds == [4, 4] else "would hardly separate") in found["conclusion"]
    else:
        assert seeds in ([3, 3], [4, 4])
        assert f"every other finalist ({seeds[0]} seeds, 95 %)" in found["conclusion"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["confirm", "nowhere"], "no sweep 'nowhere' in results"),
        (["confirm", "tiny", "--seeds", "1"], "--seeds 1: input should be greater than or equal to 2"),
        (["confirm", "tiny", "--max-seeds", "9"], "max_seeds needs until_resolved"),
    ],
)
def test_faulty_arguments_of_confirm_are_refused(workplace, resumed, arguments, message):
    done = gan_sweep(*arguments, cwd=workplace)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
