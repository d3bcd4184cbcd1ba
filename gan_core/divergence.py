"""Stop training before a loss or gradient that is not finite updates a network."""

from math import isfinite

import torch
from torch import Tensor

from gan_core.errors import TrainingDiverged


class DivergenceGuard:
    """Record, on the device, the first loss or gradient that is not finite.

    A fused optimizer skips its update if its ``found_inf`` is 1. With :attr:`found` as ``found_inf``, no step
    has to synchronize with the device.

    Args:
        device: The device of the losses.

    Attributes:
        found: 1 after a loss or gradient was not finite, else 0: float32, shape ``()``.
    """

    _NETWORKS = ("d", "g")

    def __init__(self, device: torch.device | str) -> None:
        self.found = torch.zeros((), device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._network = torch.zeros((), dtype=torch.int64, device=device)
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._gradient = torch.zeros((), dtype=torch.float64, device=device)

    def start_step(self, step: int) -> None:
        """Record the number of a step before its first :meth:`watch`."""
        self._step.masked_fill_(self.found == 0, step)

    def watch(self, network: str, loss: Tensor, gradient: Tensor) -> None:
        """Record the loss and gradient norm of ``network`` (d or g) before its optimizer step."""
        before = self.found == 0
        self._network.masked_fill_(before, self._NETWORKS.index(network))
        torch.where(before, loss.detach(), self._loss, out=self._loss)
        torch.where(before, gradient, self._gradient, out=self._gradient)
        self.found.masked_fill_(~(loss.detach() + gradient).isfinite(), 1)

    def check(self) -> None:
        """Synchronize with the device; raise TrainingDiverged if a loss or gradient was not finite."""
        if not self.found:
            return
        network, loss, gradient = self._NETWORKS[int(self._network)], float(self._loss), float(self._gradient)
        what, value = ("gradient", gradient) if isfinite(loss) else ("loss", loss)
        raise TrainingDiverged(int(self._step), f"{network}_{what}", value)
