import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import gan_core
from gan_core import CorruptedCheckpointError, ImportPathError, TrialConfig
from gan_core.architectures import Architecture, architectures
from gan_core.images import to_uint8
from gan_core.noise import draw_noise, rng_for

SHAPE = (1, 28, 28)


@pytest.mark.parametrize(
    "config", [TrialConfig(noise_dim=8), TrialConfig(architecture="dcgan", noise="normal")]
)
def test_what_was_saved_draws_the_same_images(config, tmp_path):
    network = architectures.get(config.architecture).generator(config, SHAPE)
    file = tmp_path / "g.safetensors"
    gan_core.save_generator(file, config, SHAPE, network.state_dict())
    loaded = gan_core.load_generator(file)
    assert isinstance(loaded, nn.Module)
    assert not loaded.training
    assert (loaded.config, loaded.image_shape) == (config, SHAPE)
    noise = draw_noise(config, 5, rng_for("sample", 3))
    with torch.inference_mode():
        expected = to_uint8(network.eval()(noise))
    assert (loaded.sample(5, seed=3).int() - expected.int()).abs().max() <= 1
    assert torch.equal(loaded.sample(5, seed=3), gan_core.load_generator(file).sample(5, seed=3))
    assert not torch.equal(loaded.sample(5, seed=3), loaded.sample(5, seed=4))
    assert not list(tmp_path.glob("*.draft"))


def test_building_one_leaves_torchs_randomness_alone(tmp_path):
    config = TrialConfig(noise_dim=8)
    weights = architectures.get("mlp").generator(config, SHAPE).state_dict()
    before = torch.get_rng_state()
    gan_core.Generator(config, SHAPE, weights)
    assert torch.equal(before, torch.get_rng_state())


def test_a_file_that_is_not_a_generator_is_refused(tmp_path):
    file = tmp_path / "g.safetensors"
    with pytest.raises(FileNotFoundError):
        gan_core.load_generator(file)
    file.write_bytes(b"pickle" * 100)
    with pytest.raises(CorruptedCheckpointError, match="is not a generator that gan_core saved"):
        gan_core.load_generator(file)


class Own(Architecture):
    """A user's own architecture."""

    generator = staticmethod(architectures.get("mlp").generator)
    discriminator = staticmethod(architectures.get("mlp").discriminator)


class Linear(Own):
    """A generator without Tanh: many pixels are beyond [-1, 1]."""

    @staticmethod
    def generator(config, image_shape):
        layer = nn.Linear(config.noise_dim, 784)
        nn.init.normal_(layer.weight, std=2)
        return nn.Sequential(layer, nn.Unflatten(1, image_shape))


class SpectrallyNormalized(Own):
    """A generator with the legacy ``spectral_norm``, for which ``deepcopy`` fails during a training."""

    @staticmethod
    def generator(config, image_shape):
        network = architectures.get("mlp").generator(config, image_shape)
        nn.utils.spectral_norm(network[2])
        return network


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("architecture", [Own, Linear, SpectrallyNormalized])
def test_the_last_report_has_the_weights_that_its_final_scores_are_of(architecture, ema_decay):
    config = TrialConfig(
        architecture=f"{__name__}:{architecture.__name__}",
        ema_decay=ema_decay,
        noise_dim=8,
        steps=4,
        report_every=2,
        eval_samples=128,
        final_samples=128,
    )
    *_, before, last = gan_core.train(config, gan_core.load_dataset("mnist-5k"))
    assert before.weights is None
    generator = gan_core.Generator(config, SHAPE, last.weights)
    evaluator = gan_core.Evaluator(gan_core.load_dataset("mnist-5k"))
    with torch.inference_mode():
        images = generator(draw_noise(config, 128, rng_for("final")))
        assert images.abs().max() <= 1
        assert evaluator.final_score([images])["fid"] == pytest.approx(last.final["fid"], rel=1e-4)


def test_a_file_that_names_code_is_loaded_only_if_imports_are_allowed(tmp_path, monkeypatch):
    config, file = TrialConfig(noise_dim=8, architecture=f"{__name__}:Own"), tmp_path / "g.safetensors"
    gan_core.save_generator(file, config, SHAPE, Own.generator(config, SHAPE).state_dict())
    with pytest.raises(ImportPathError, match=r"test_generator:Own; importing it runs that code"):
        gan_core.load_generator(file)
    assert gan_core.load_generator(file, allow_imports=True).sample(2).shape == (2, *SHAPE)
    monkeypatch.delattr(f"{__name__}.Own")
    with pytest.raises(ImportPathError, match="has no 'Own'"):
        gan_core.load_generator(file, allow_imports=True)
    ours = TrialConfig(noise_dim=8).model_dump()
    for kind in ("architecture", "loss", "penalty"):
        about = {"config": json.dumps(ours | {kind: "no_such_module:Pair"}), "image_shape": json.dumps(SHAPE)}
        save_file({"weight": torch.zeros(1)}, file, about)
        with pytest.raises(ImportPathError, match="no_such_module:Pair"):
            gan_core.load_generator(file)
