"""Generators in the formats of other programs, loaded as those programs load them."""

import sys
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import gan_core
from gan_core.architectures import Architecture, architectures
from sweeps.errors import SweepError
from sweeps.generators.formats import TOLERANCE, ModelFormat, check_installed, write_format

SHAPE = (1, 16, 16)


class Restless(nn.Module):
    """Adds random values to its images: no two calls agree, so no copy can."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, noise):
        images = self.network(noise)
        return images + 0.1 * torch.rand_like(images)


class Undecided(Restless):
    """Branches on the values of its input."""

    def forward(self, noise):
        return self.network(noise if float(noise.sum()) > 0 else -noise)


def own(kind):
    return staticmethod(lambda config, shape: kind(architectures.get("mlp").generator(config, shape)))


class Louder(Restless):
    """Makes images beyond [-1, 1], with the legacy ``spectral_norm``."""

    def __init__(self, network):
        super().__init__(network)
        nn.utils.spectral_norm(network[2])

    def forward(self, noise):
        return 3 * self.network(noise)


class LouderGan(Architecture):
    generator, discriminator = own(Louder), own(Louder)


class RestlessGan(Architecture):
    generator, discriminator = own(Restless), own(Restless)


class UndecidedGan(Architecture):
    generator, discriminator = own(Undecided), own(Undecided)


def generator_of(architecture):
    torch.manual_seed(0)
    config = gan_core.TrialConfig(noise_dim=8, architecture=architecture)
    weights = architectures.get(architecture).generator(config, SHAPE).state_dict()
    return gan_core.Generator(config, SHAPE, weights)


@pytest.mark.parametrize("architecture", ["mlp", "dcgan", f"{__name__}:LouderGan"])
@pytest.mark.parametrize("model_format", ModelFormat)
def test_the_snippet_makes_the_same_images_for_any_batch_size(
    model_format, architecture, tmp_path, monkeypatch
):
    generator = generator_of(architecture)
    file = write_format(generator, model_format, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [file.name] == [model_format.file]
    monkeypatch.chdir(tmp_path)
    for n in (1, 3, 70):
        names = {"torch": torch, "onnxruntime": onnxruntime, "noise": generator.noise(n, seed=9)}
        with warnings.catch_warnings(action="ignore"), torch.no_grad():
            exec(model_format.snippet, names)  # noqa: S102 - what the card tells people to type
            expected = generator(names["noise"])
        assert np.abs(np.asarray(names["images"]) - expected.numpy()).max() <= TOLERANCE


@pytest.mark.parametrize("model_format", ModelFormat)
def test_a_file_that_makes_other_images_is_refused(model_format, tmp_path):
    generator = generator_of(f"{__name__}:RestlessGan")
    with pytest.raises(
        SweepError, match=f"--format {model_format} does not reproduce this generator.*differ by"
    ):
        write_format(generator, model_format, tmp_path)


@pytest.mark.parametrize("model_format", ModelFormat)
def test_a_generator_that_a_format_cannot_express_is_refused_in_one_line(model_format, tmp_path):
    with pytest.raises(SweepError, match=f"--format {model_format} cannot express this generator") as refused:
        write_format(generator_of(f"{__name__}:UndecidedGan"), model_format, tmp_path)
    assert len(str(refused.value).splitlines()) == 1


def test_a_missing_package_of_onnx_is_named(monkeypatch):
    check_installed(ModelFormat.ONNX)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SweepError, match=r"needs onnxruntime: pip install 'gan-sweep\[onnx\]'"):
        check_installed(ModelFormat.ONNX)
    check_installed(ModelFormat.PT2)


def test_an_unknown_format_is_refused_and_torchscript_has_a_successor():
    assert ModelFormat.named("pt2") is ModelFormat.PT2
    with pytest.raises(SweepError, match=r"--format onx: allowed: onnx, pt2; did you mean 'onnx'\?"):
        ModelFormat.named("onx")
    with pytest.raises(SweepError, match=r"deprecates TorchScript: type --format pt2 .* or --format onnx"):
        ModelFormat.named("torchscript")
