from io import StringIO

import pytest
import ray
import torch
from PIL import Image
from rich.console import Console

from gan_core.errors import ContractError
from gan_core.losses.hinge import Hinge
from sweeps.cluster.connection import local_ray
from sweeps.driver import progress
from sweeps.driver.first_worker import failure
from sweeps.driver.preparation import _with_users_components, prepare
from sweeps.driver.progress import Terminal
from sweeps.errors import SweepError
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write

OWN_LOSS = "gan_core.losses.hinge:Hinge"


@pytest.fixture
def make_spec(tmp_path):
    return lambda text: load_spec(write(tmp_path, text))


def test_without_downloads_and_own_components_no_worker_is_asked(make_spec):
    console = Console(file=StringIO())
    prepare(make_spec(GOOD), {"cpu": 1, "gpu": 0}, Terminal(console), check=lambda: None)
    assert console.file.getvalue() == ""


def test_every_combination_with_an_own_component_is_tried_and_no_other(make_spec):
    text = GOOD.replace("[bce, lsgan]", f"[lsgan, '{OWN_LOSS}']") + "  penalty: {values: [none, r1]}\n"
    configs = _with_users_components(make_spec(text))
    assert [(config.loss, config.penalty) for config in configs] == [(OWN_LOSS, "none"), (OWN_LOSS, "r1")]
    assert {config.architecture for config in configs} == {"mlp"}


def test_an_own_component_is_tried_in_every_precision_of_the_sweep(make_spec):
    text = GOOD.replace("[bce, lsgan]", f"['{OWN_LOSS}']") + "  precision: {values: [fp32, bf16]}\n"
    configs = _with_users_components(make_spec(text))
    assert {config.precision for config in configs} >= {"fp32", "bf16"}


class TellsWhereItRuns(Hinge):
    @staticmethod
    def discriminator(real_logits, fake_logits):
        cores = ray.get_runtime_context().get_assigned_resources()["CPU"]
        raise ValueError(f"{torch.get_num_threads()} threads on {cores:g} cores")


def test_components_are_checked_with_the_resources_of_a_trial(make_spec):
    spec = make_spec(GOOD.replace("[bce, lsgan]", f"['{__name__}:TellsWhereItRuns']"))
    message = "TellsWhereItRuns': the discriminator's loss raised ValueError: 1 threads on 1 cores$"
    with local_ray(spec.resources):
        for shares in (False, True):
            with pytest.raises(SweepError, match=message):
                prepare(spec, {"cpu": 1, "gpu": 0}, Terminal(Console()), check=lambda: None, shares=shares)


def test_an_own_component_is_tried_with_the_baselines_too(make_spec):
    text = GOOD.replace("[bce, lsgan]", "[lsgan, hinge]") + "  architecture: gan_core.architectures.mlp:MLP\n"
    configs = _with_users_components(make_spec(text))
    assert [config.loss for config in configs] == ["bce", "lsgan", "hinge"]
    assert {config.noise_dim for config in configs} == {96}


def test_the_progress_of_a_new_dataset_and_its_classifier_is_shown(make_spec, tmp_path, monkeypatch):
    for number, shade in enumerate((20, 230)):
        (tmp_path / "images" / str(number)).mkdir(parents=True)
        for each in range(100):
            Image.new("L", (8, 8), shade + each % 20).save(tmp_path / "images" / str(number) / f"{each}.png")
    (tmp_path / "images" / "notes.txt").touch()
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    dataset = f"folder:{tmp_path / 'images'}\nimage_size: 8\nchannels: 1"
    spec, console = make_spec(GOOD.replace("mnist-5k", dataset)), Console(file=StringIO(), width=500)
    with local_ray(spec.resources):
        prepared = prepare(spec, {"cpu": 1, "gpu": 0}, Terminal(console), check=lambda: None)
        images, weights = ray.get(prepared.shared)
        before = {**prepared.measure["images"], "sha256": "0"}
        arguments = {"check": lambda: None, "recorded_images": before}
        others = prepare(spec, {"cpu": 1, "gpu": 0}, Terminal(Console(file=StringIO())), **arguments)
    assert others.measure == {"images": prepared.measure["images"]}
    assert (images, type(weights)) == (None, bytes)
    shown = console.file.getvalue()
    assert f"Loading {spec.dataset} and its classifier: training the classifier, step 60 of 60, acc" in shown
    assert f"{spec.dataset}: left out: 1 file without an image's suffix (1 .txt): notes.txt\n" in shown
    assert f"{spec.dataset}: 160 images are copies of others; copies are on one side of the split\n" in shown
    (warning,) = prepared.warnings
    assert f"Warning: {warning}\n" in shown
    assert "held-out images do not determine one" in warning


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (ContractError("loss 'x': no"), "loss 'x': no"),
        (FileNotFoundError(2, "No such file"), "dataset mnist-5k: FileNotFoundError: [Errno 2] No such file"),
        (KeyError("images"), "dataset mnist-5k: KeyError: 'images'"),
    ],
)
def test_an_error_in_the_worker_is_one_line(cause, message):
    assert failure("mnist-5k", cause) == message
