"""What a sweep keeps of a training loop of the user's own, and what others get of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copyfile

import pytest
from safetensors.torch import load_file

import gan_core
import sweeps
from gan_core.checkpoint import load_checkpoint
from gan_core.errors import ImportPathError, LoopError
from gan_core.images import png_grid
from gan_core.imports import imports
from sweeps.errors import SweepError, UnknownTrialError
from sweeps.generators.export import export
from tests.e2e.commands import gan_sweep, workplace_in
from tests.exports import drawn_without_sweeps

LOOPS = Path(__file__).with_name("kept_loops.py")
FILE = """\
name: {name}
train: mine:{loop}
method: random
trials: 1
parameters: {{steps: 4, report_every: 2, eval_samples: 200, final_samples: 200}}
early_terminate: {{type: none}}
"""


def swept(tmp_path_factory, name, loop):
    """Run a sweep of one trial, and return its workplace."""
    workplace = workplace_in(tmp_path_factory)
    copyfile(LOOPS, workplace / "mine.py")
    (workplace / "mine.yaml").write_text(FILE.format(name=name, loop=loop), encoding="utf-8")
    done = gan_sweep("mine.yaml", "--allow-imports", "--json", cwd=workplace)
    assert done.returncode == 0, done.stderr
    return workplace


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return swept(tmp_path_factory, "kept", "train")


@pytest.fixture(scope="module")
def stateful(tmp_path_factory):
    return swept(tmp_path_factory, "stateful", "without_generator")


@pytest.fixture
def importable(kept, monkeypatch):
    """Let this process import the loop of the sweep ``kept``, and return the sweep."""
    monkeypatch.syspath_prepend(kept)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    yield sweeps.load("kept", kept / "results")
    sys.modules.pop("mine", None)


def test_the_weights_of_the_best_report_are_kept(kept):
    sweep = sweeps.load("kept", kept / "results")
    best = int(sweep.trials["best_step"].iloc[0])
    assert best == 2
    (file,) = (sweep.folder / "weights").iterdir()
    history = sweep.history.set_index("step")["weight"]
    assert load_file(file)["weight"].item() == pytest.approx(history[2])
    assert history[2] != history[4]


def test_an_exported_generator_is_rebuilt_by_the_code_beside_it(kept, tmp_path):
    refused = gan_sweep("export", "kept", "--out", tmp_path / "out", "--force", cwd=kept)
    assert refused.returncode == 2
    assert "names code: mine:train" in refused.stderr
    assert "--allow-imports" in refused.stderr
    out = tmp_path / "out"
    done = gan_sweep("export", "kept", "--out", out, "--force", "--allow-imports", cwd=kept)
    assert done.returncode == 0, done.stderr
    names = ["README.md", "code", "config.json", "draw.py", "generator.safetensors", "samples.png"]
    assert sorted(file.name for file in out.iterdir()) == names
    assert (out / "code" / "mine.py").read_text() == (kept / "mine.py").read_text()
    drawn = (out / "samples.png").read_bytes()
    assert drawn_without_sweeps(out) == drawn
    card = " ".join((out / "README.md").read_text().split())
    about = json.loads((out / "config.json").read_text())
    assert (about["train"], about["config"]["noise"]) == ("mine:train", 0.3)
    assert "The generator of the training loop `mine:train`, trained on mnist-5k" in card
    assert "**runs code**: `mine:train`; the loop takes one step on random images" in card
    assert f"`code/` is the code that trained it (SHA-256 of its files: `{about['code']}`)" in card
    assert "| weight |" not in card


def test_a_generator_of_a_loop_draws_the_recorded_samples(importable, kept, tmp_path):
    generator = importable.generator(allow_imports=True)
    recorded = importable.samples_file("kept-0000", 2).read_bytes()
    assert png_grid(generator.grid()) == recorded
    assert (generator.sample(3, seed=1) == generator.sample(3, seed=1)).all()
    assert not (generator.sample(3, seed=1) == generator.sample(3, seed=2)).all()
    with pytest.raises(ImportPathError, match="names code: mine:train"):
        importable.generator()
    with (
        imports(allowed=True),
        pytest.raises(SweepError, match=r"--format pt2: .* the generator that mine:tr"),
    ):
        export(importable, tmp_path / "out", force=True, formats=["pt2"])
    walk = gan_sweep(
        *("sample", "kept", "--out", tmp_path / "a.gif", "--interpolate", "--allow-imports"), cwd=kept
    )
    assert walk.returncode == 2
    assert "there is no latent space to walk through" in walk.stderr


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (
            "self.mean + noise",
            "noise - self.mean",
            SweepError,
            "does not draw the samples of the record, .*2.png",
        ),
        ("torch.ones(1)", "torch.ones(2)", LoopError, r"do not fit \(weight: \(1,\) and \(2,\)\): load them"),
        (
            "generator, shape = Around(mean)",
            "1 / 0",
            LoopError,
            "its first step, on random images, raised ZeroDiv",
        ),
    ],
    ids=["other-images", "other-shapes", "crash"],
)
def test_code_that_has_changed_is_noticed(importable, kept, old, new, error, message):
    file = kept / "mine.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace(old, new), encoding="utf-8")
    os.utime(file, (1, 1))
    try:
        with pytest.raises(error, match=message):
            importable.generator(allow_imports=True)
    finally:
        file.write_text(before, encoding="utf-8")


def test_a_loop_without_a_generator_exports_its_state(stateful, tmp_path):
    sweep = sweeps.load("stateful", stateful / "results")
    out = tmp_path / "out"
    files = [file.name for file in export(sweep, out, force=True)]
    assert files == ["README.md", "code", "config.json", "load.py", "samples.png", "state.checkpoint"]
    saved = load_checkpoint(out / "state.checkpoint")
    assert (saved["loop"], saved["step"], saved["config"]["steps"]) == ("mine:without_generator", 4, 4)
    assert saved["state"]["weights"].keys() == {"mean", "weight"}
    assert (out / "samples.png").read_bytes() == sweep.samples_file("stateful-0000", 4).read_bytes()
    ran = subprocess.run([sys.executable, "load.py"], cwd=out, check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("mine:without_generator 4 {")
    card = " ".join((out / "README.md").read_text().split())
    assert "The last state of the training loop `mine:without_generator`, trained on mnist-5k" in card
    assert "runs none of the loop's code" in card
    with pytest.raises(
        UnknownTrialError, match=r"mine:without_generator yields none. To draw, add generator="
    ):
        sweep.generator(allow_imports=True)


def test_the_stand_in_has_as_many_images_and_classes_as_the_dataset():
    from gan_core.loop_generator import TrainingImages

    digits = gan_core.load_dataset("mnist-5k")
    stand_in = TrainingImages.of(digits).stand_in()
    assert stand_in.train.shape == digits.train.shape
    assert stand_in.train_labels.bincount().tolist() == digits.train_labels.bincount().tolist()
    assert stand_in.train.untyped_storage().nbytes() < 10_000
