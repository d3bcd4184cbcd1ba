"""Stops a training before it updates a network with what is not finite."""

from math import isfinite

import torch
from torch import Tensor

from gan_core.errors import TrainingDiverged


class DivergenceGuard:
    """Remembers, on the device, the first loss or gradient that is not finite.

    A fused optimiser that is given :attr:`found` leaves its weights alone once it is 1, so that no step has
    to wait for the device to say whether it may go on.

    Args:
        device: Where the losses are.

    Attributes:
        found: 1 once something was not finite, else 0: float32, shape ``()``.
    """

    _NETWORKS = ("d", "g")

    def __init__(self, device: torch.device | str) -> None:
        self.found = torch.zeros((), device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._network = torch.zeros((), dtype=torch.int64, device=device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._gradient = torch.zeros((), dtype=torch.float64, device=device)

    def watch(self, step: int, network: str, loss: Tensor, gradient: Tensor) -> None:
        """Take in the loss, and the norm of its gradient, that ``network`` is about to be updated with."""
        before = self.found == 0
        self._step.masked_fill_(before, step)
        self._network.masked_fill_(before, self._NETWORKS.index(network))
        self._loss.copy_(torch.where(before, loss.detach(), self._loss))
        self._gradient.copy_(torch.where(before, gradient, self._gradient))
        self.found.masked_fill_(~(loss.detach() + gradient).isfinite(), 1)

    def check(self) -> None:
        """Wait for the device, and raise TrainingDiverged where something was not finite."""
        if not self.found:
            return
        network, loss, gradient = self._NETWORKS[int(self._network)], float(self._loss), float(self._gradient)
        what, value = ("gradient", gradient) if isfinite(loss) else ("loss", loss)
        raise TrainingDiverged(int(self._step), f"{network}_{what}", value)
