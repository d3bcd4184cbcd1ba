"""The moving average of a network."""

from typing import Any

import torch
from torch import nn


class MovingAverage:
    r"""The exponential moving average (EMA) of a network's weights and buffers.

    At step :math:`t`, counted from 1, the decay is :math:`\min(\text{decay}, (1 + t) / (10 + t))`: the ramp
    removes the random initial weights from the average within a few steps. The buffers, such as the
    statistics of batch normalization, have the same average, so that they fit the averaged weights. Integer
    buffers are copied.

    Args:
        network: A new copy of the network to follow, which becomes the average.
        decay: The decay per step after the ramp, in [0, 1).

    Attributes:
        network: The averaged network.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = network
        self._decay = decay

    def weight_at(self, step: int) -> float:
        """Return the weight of the network in the average after step ``step``: 1 minus the decay."""
        return 1 - min(self._decay, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, network: nn.Module, weight: float | torch.Tensor) -> None:
        """Move the average towards ``network``, without synchronizing with the device.

        Args:
            network: The network to follow.
            weight: The network's weight in the average: :meth:`weight_at` of the step, or a float64 tensor of
                shape ``()`` with that value, on the device of the networks.
        """
        pairs = [*zip(_tensors(self.network), _tensors(network), strict=True)]
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        if moving:
            averages, values = ([*tensors] for tensors in zip(*moving, strict=True))
            torch._foreach_lerp_(averages, values, _for_each(averages, weight))
        for average, value in pairs:
            if not average.is_floating_point():
                average.copy_(value)


def _for_each(tensors: list[torch.Tensor], weight: float | torch.Tensor) -> Any:  # noqa: ANN401 - either form
    """Return a number unchanged; of a tensor, a copy for each of ``tensors`` in the dtype of that one."""
    if not isinstance(weight, torch.Tensor):
        return weight
    by_dtype = {dtype: weight.to(dtype) for dtype in {each.dtype for each in tensors}}
    return [by_dtype[each.dtype] for each in tensors]


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]
