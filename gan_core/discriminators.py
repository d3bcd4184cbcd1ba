"""What a training needs to know and to change of a discriminator before its first step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from gan_core.architectures import Architecture, ImageShape
from gan_core.config import TrialConfig
from gan_core.precision import CONVOLUTION_LAYERS, float32_precision

N_IMAGES, KEPT = 8, 3
PERTURBATION = 0.02
TOLERANCE = 1e-5
"""The maximum rounding error of a logit, relative to the largest logit."""

LOGIT_SCALE = 1e3

DROPOUT_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def add_spectral_norm(network: nn.Module) -> None:
    """Divide the weight of every trained Linear and Conv2d layer by its largest singular value.

    Frozen layers keep their weights, and layers with legacy ``spectral_norm`` are already normalized: to
    PyTorch, their ``weight`` is a tensor without a gradient.
    """
    for layer in [*network.modules()]:
        if isinstance(layer, nn.Linear | nn.Conv2d) and layer.weight.requires_grad:
            spectral_norm(layer)


def has_independent_rows(config: TrialConfig, image_shape: ImageShape, device: torch.device) -> bool:
    """Return whether real and generated images may share a batch: each image's logits are its own.

    If the architecture does not declare it, :func:`found_independent` finds out.
    """
    declared = declared_independent(config)
    return found_independent(config, image_shape, device) if declared is None else declared


def declared_independent(config: TrialConfig) -> bool | None:
    """Return ``independent_rows`` of the architecture's own class; None if that class does not declare it.

    A subclass does not inherit the declaration, because it may have a different discriminator.
    """
    architecture = config.component("architecture")
    declared: bool | None = architecture.independent_rows if _declares_rows(architecture) else None
    return declared


def _declares_rows(architecture: Architecture) -> bool:
    """Return whether the architecture's own class declares ``independent_rows``, as a value or a property."""
    return "independent_rows" in vars(type(architecture))


def found_independent(config: TrialConfig, image_shape: ImageShape, device: torch.device) -> bool:
    """Return whether the logits of an image stay the same if all other images of its batch change.

    Batch normalization and minibatch standard deviation, for example, change them. Each of the two batches
    goes through a discriminator of its own, built anew from the same seed in float32 and without dropout.
    Both passes thus draw the same random numbers and start from the same state, such as the vectors of
    spectral normalization's power iterations. Small random changes to all weights keep a weight of 0 from
    hiding a dependence.
    """
    images = torch.rand(2, N_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    images[1] = 0.1 * images[1] - 0.8
    images[1, KEPT] = images[0, KEPT]
    first, second = (_logits_of_new_copy(config, image_shape, batch.to(device)) for batch in images)
    largest = torch.cat([first, second]).abs().max()
    return bool(((first - second)[KEPT].abs() <= TOLERANCE * largest).all())


def last_layer(config: TrialConfig, image_shape: ImageShape, device: torch.device) -> str | None:
    """Return the name of the linear or convolutional layer that runs last in a forward pass, if any."""
    with _perturbed_copy(config, image_shape, device) as network:
        return _last_to_run(network, _random_images(image_shape, device), _is_linear_or_convolution)


def ends_in_sigmoid(config: TrialConfig, image_shape: ImageShape, device: torch.device) -> bool:
    """Return whether all logits stay in [0, 1] if the last layer's weights are multiplied by 1e3 and by -1e3.

    The weights are multiplied because logits that are small for all images may lie in [0, 1] by themselves.
    """
    images = _random_images(image_shape, device)
    with _perturbed_copy(config, image_shape, device) as network:
        last = _last_to_run(network, images, _has_weight_matrix)
        layer = nn.Module() if last is None else network.get_submodule(last)
        weights = [weight for weight in layer.parameters() if weight.requires_grad]
        for scale in (LOGIT_SCALE, -1.0):
            for weight in weights:
                weight.mul_(scale)
            logits: Tensor = network(images)
            if not ((logits >= 0) & (logits <= 1)).all():
                return False
    return bool(weights)


def _random_images(image_shape: ImageShape, device: torch.device) -> Tensor:
    images = torch.rand(N_IMAGES, *image_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return images.to(device)


def _is_linear_or_convolution(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, *CONVOLUTION_LAYERS))


def _has_weight_matrix(layer: nn.Module) -> bool:
    return is_parametrized(layer) or any(weight.dim() > 1 for weight in layer.parameters(recurse=False))


def _last_to_run(network: nn.Module, images: Tensor, is_layer: Callable[[nn.Module], bool]) -> str | None:
    """Return the name of the last layer of a kind that ends its part of a forward pass; None without one."""
    ran: list[str] = []
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, layer in network.named_modules()
        if is_layer(layer)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    return ran[-1] if ran else None


def _logits_of_new_copy(config: TrialConfig, image_shape: ImageShape, images: Tensor) -> Tensor:
    with _perturbed_copy(config, image_shape, images.device) as network:
        logits: Tensor = network(images)
    return logits


@contextmanager
def _perturbed_copy(
    config: TrialConfig, image_shape: ImageShape, device: torch.device
) -> Iterator[nn.Module]:
    """Build a discriminator in float32, without dropout, with small random changes to all weights.

    The block draws the same random numbers for every copy, and computes no gradients.
    """
    gpus = [device] if device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices=gpus),
        torch.no_grad(),
        torch.autocast(device.type, enabled=False),
        float32_precision("fp32", device),
    ):
        torch.manual_seed(config.seed)
        network = config.component("architecture").discriminator(config, image_shape)
        if config.spectral_norm:
            add_spectral_norm(network)
        network = network.to(device, torch.float32).to(memory_format=torch.channels_last)
        for layer in network.modules():
            if isinstance(layer, DROPOUT_LAYERS):
                layer.eval()
        for weight in network.parameters():
            weight.add_(PERTURBATION * torch.randn_like(weight))
        yield network
