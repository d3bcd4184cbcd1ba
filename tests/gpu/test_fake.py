"""A step on a GPU, as far as PyTorch runs it without one: fake tensors, and a count of synchronisations."""

from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from gan_core import Trainer, TrialConfig, captured
from gan_core import trainer as of_trainer
from gan_core.architectures import architectures
from gan_core.discriminators import add_spectral_norm, last_layer
from gan_core.losses import losses
from gan_core.penalties import penalties
from gan_core.randomness import host_random_state
from tests.gan_core.eager_graph import Synchronizations, eager_graphs

SHAPE = (1, 16, 16)
PAIRS = [*((loss, "none") for loss in losses.names()), *(("bce", penalty) for penalty in penalties.names())]


def built_outside_of_the_mode(get):
    """Return ``architectures.get`` with classes that build real networks: fake ones cannot change device."""

    def get_class(name):
        base = get(name)

        class Real(base):
            @staticmethod
            def generator(*arguments):
                with unset_fake_temporarily():
                    return base.generator(*arguments)

            @staticmethod
            def discriminator(*arguments):
                with unset_fake_temporarily():
                    return base.discriminator(*arguments)

        Real.independent_rows = vars(base).get("independent_rows")
        return Real

    return get_class


def normalized_outside_of_the_mode(network):
    with unset_fake_temporarily():
        add_spectral_norm(network)


def last_layer_on_the_cpu(config, image_shape, _device):
    with unset_fake_temporarily():
        return last_layer(config, image_shape, torch.device("cpu"))


def real_host_random_state(device):
    with unset_fake_temporarily():
        return host_random_state(device)


def zero_gradients(loss, inputs):
    """Stand in for ``Tensor.backward``: PyTorch's autograd engine needs a driver for tensors of a GPU."""
    assert loss.device.type == "cuda"
    for weight in inputs:
        weight.grad = torch.zeros_like(weight)


def zero_image_gradients(output, images, **_options):
    """Stand in for ``torch.autograd.grad``, with a gradient on the device of both."""
    assert output.device == images.device
    return (torch.zeros_like(images) + 0 * output,)


@contextmanager
def fake_gpu():
    """Run the block with fake tensors; random generators stay on the CPU, as a GPU's needs a driver."""
    with ExitStack() as stack:
        for owner, name, stand_in in (
            (architectures, "get", built_outside_of_the_mode(architectures.get)),
            (of_trainer, "add_spectral_norm", normalized_outside_of_the_mode),
            (of_trainer, "last_layer", last_layer_on_the_cpu),
            (of_trainer, "rng_for", lambda *_arguments: torch.Generator()),
            (captured, "host_random_state", real_host_random_state),
            (torch.Tensor, "backward", zero_gradients),
            (torch.autograd, "grad", zero_image_gradients),
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        yield stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))


@pytest.mark.filterwarnings("ignore:CUDA is not available or torch_xla is imported")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("architecture", architectures.names())
@pytest.mark.parametrize("options", [{}, {"d_steps": 2, "ema_decay": 0.9}, {"spectral_norm": True}], ids=str)
@pytest.mark.parametrize("n_steps", [1, 5], ids=["plain", "from static buffers"])
def test_all_tensors_of_a_step_are_on_its_gpu(architecture, precision, options, n_steps):
    """A tensor on another device, or the look at a value, which would synchronise, raises an error."""
    pairs = [("wasserstein", "gradient-penalty")] if options or n_steps > 1 else PAIRS
    for loss, penalty in pairs:
        config = TrialConfig(
            architecture=architecture,
            precision=precision,
            loss=loss,
            penalty=penalty,
            cuda_graphs="off" if n_steps == 1 else "auto",
            **options,
        )
        n = 4 * config.d_steps
        with fake_gpu(), eager_graphs() as graphs:
            trainer = Trainer(config, SHAPE, "cuda")
            for _ in range(n_steps):
                metrics = trainer.step(
                    torch.zeros(n, *SHAPE, device="cuda"), torch.zeros(n, config.noise_dim, device="cuda")
                )
        assert trainer.fallback is None
        assert [graph.calls[-1] for graph in graphs] == ["replay"] * (n_steps > 1)
        assert {value.device.type for value in metrics.values()} == {"cuda"}


@pytest.mark.parametrize("architecture", architectures.names())
def test_a_step_waits_for_its_device_only_to_check_for_divergence(architecture):
    """On a CPU, each step checks; on a GPU, each report."""
    for loss, penalty in PAIRS:
        config = TrialConfig(
            architecture=architecture, loss=loss, penalty=penalty, ema_decay=0.9, spectral_norm=True
        )
        trainer = Trainer(config, SHAPE)
        batch = torch.zeros(4, *SHAPE), torch.zeros(4, config.noise_dim)
        trainer.step(*batch)
        with Synchronizations() as found, patch.object(trainer, "check"):
            trainer.step(*batch)
        assert not found.counted, penalty
        with Synchronizations() as found:
            trainer.step(*batch)
        assert found.counted == {"aten::_local_scalar_dense": 1}
