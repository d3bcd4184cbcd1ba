"""The example loops keep the protocol, train, and are short."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from gan_core import Evaluator, Trainer, TrialConfig, check_loop, load_dataset, train
from gan_core.adversarial import train_gan
from gan_core.generator import kept_bytes, load_generator
from gan_core.loops.declaration import config_class
from gan_core.loops.run import LoopRun
from sweeps.spec.reading import load_spec

EXAMPLES = Path(__file__).parents[1] / "examples"
LOOPS = sorted(file.stem for file in EXAMPLES.glob("*.py"))
MOST_LINES = 60
SMALL = {"steps": 4, "report_every": 2, "eval_samples": 128, "final_samples": 128}


@pytest.fixture(scope="module")
def digits():
    torch.set_num_threads(1)
    return load_dataset("mnist-5k")


@pytest.fixture(scope="module")
def evaluator(digits):
    return Evaluator(digits)


@pytest.mark.parametrize("name", LOOPS)
def test_an_example_keeps_the_protocol_is_scored_and_its_generator_rebuilt(digits, evaluator, name, tmp_path):
    loop = import_module(f"examples.{name}").train
    assert check_loop(loop, digits, config_class(loop)(batch_size=16)).remarks == ()
    config = config_class(loop)(**SMALL, batch_size=16)
    reports = [*train(config, digits, evaluator, loop=loop)]
    last = reports[-1]
    assert last.step == 4
    assert last.final.keys() >= {"fid", "recall"}
    file = tmp_path / "generator.safetensors"
    file.write_bytes(kept_bytes(f"examples.{name}:train", config, digits, last.weights))
    (best,) = [report for report in reports if report.step == last.best_step]
    assert torch.equal(load_generator(file, allow_imports=True).grid(), best.samples)


@pytest.mark.parametrize("name", LOOPS)
def test_an_example_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= MOST_LINES


class ToDouble(nn.Module):
    def forward(self, images):
        return images.double()


def in_double(build):
    """Return a function that builds the same network in float64."""
    return lambda *sizes: build(*sizes).double().insert(0, ToDouble())


class DoubleTrainer(Trainer):
    def __init__(self, config, image_shape, device):
        super().__init__(config, image_shape, device, torch.float64)

    def step(self, real, noise):
        return super().step(real.double(), noise.double())


def test_the_tutorials_loop_has_the_losses_of_the_built_in_one(monkeypatch, digits):
    """In float64: Adam's first steps amplify the rounding of float32."""
    tutorial, every_step = import_module("examples.tutorial"), {"steps": 50, "report_every": 1}
    for name in ("discriminator", "generator"):
        monkeypatch.setattr(tutorial, name, in_double(getattr(tutorial, name)))
    monkeypatch.setattr("gan_core.adversarial.Trainer", DoubleTrainer)
    own = LoopRun(tutorial.train, tutorial.Config(**every_step), digits, torch.device("cpu"))
    built_in = LoopRun(train_gan, TrialConfig(**every_step), digits, torch.device("cpu"))
    for _ in range(50):
        losses = [(run.advance(), run.metrics())[1] for run in (own, built_in)]
        for name in ("d_loss", "g_loss"):
            assert losses[0][name] == pytest.approx(losses[1][name], rel=1e-4)


def test_the_documentations_loop_keeps_the_protocol(monkeypatch, tmp_path, digits):
    pages = [EXAMPLES.parent / "README.md", EXAMPLES.parent / "docs" / "own-loop.md"]
    readme, page = (each.read_text(encoding="utf-8").partition("training loop\n\n")[2] for each in pages)
    example, use = (re.search(r"```python\n(.*?)```", text, re.DOTALL)[1] for text in (readme, page))
    (tmp_path / "mine.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    monkeypatch.chdir(tmp_path)
    exec(use.replace("lr=1e-3", "lr=1e-3, steps=2, eval_samples=128, final_samples=128"))  # noqa: S102


def test_the_flow_matching_model_learns(digits, evaluator):
    loop = import_module("examples.flow_matching").train
    config = config_class(loop)(
        steps=400, report_every=400, batch_size=64, width=128, eval_samples=256, final_samples=128
    )
    untrained = config.model_copy(update={"steps": 1, "report_every": 1})
    scores = [next(train(each, digits, evaluator, loop=loop)).metrics["fid"] for each in (untrained, config)]
    assert scores[1] < 0.9 * scores[0]


def test_the_tutorials_search_space_names_its_loop():
    spec = load_spec(EXAMPLES / "tutorial.yaml")
    assert spec.train == "examples.tutorial:train"
    assert set(spec.searched) == {"lr", "beta1"}
