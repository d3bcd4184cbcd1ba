"""Copy the weights of a training loop's generator, and load them again."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def not_a_tensor(generator: nn.Module) -> str | None:
    """Return the first name in the ``state_dict`` of a generator without a tensor, or None."""
    return next(
        (name for name, value in generator.state_dict().items() if not isinstance(value, Tensor)), None
    )


def copied_weights(generator: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights and buffers of a generator."""
    return {name: value.detach().clone() for name, value in generator.state_dict().items()}


def misfit_of(weights: Mapping[str, Tensor], generator: nn.Module) -> str | None:
    """Return why weights do not fit a generator; None if they fit."""
    own = generator.state_dict()
    if differing := sorted(weights.keys() ^ own.keys()):
        return f"{differing[0]} is in one of them only"
    found = ((name, tuple(weights[name].shape), tuple(own[name].shape)) for name in own)
    return next((f"{name}: {there} and {here}" for name, there, here in found if there != here), None)


def load_weights(generator: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights; a generator that the loop made in inference mode can change only in that mode."""
    made_for_inference = any(value.is_inference() for value in generator.state_dict().values())
    with torch.inference_mode(made_for_inference), torch.no_grad():
        generator.load_state_dict(dict(weights))
