"""The generator's input noise, and the random generators of a training."""

from hashlib import sha256
from math import ceil

import torch
from torch import Tensor

from gan_core.config import TrialConfig

FIXED_NOISE_SIZE = 64

BLOCK = 16
"""PyTorch draws this many normal numbers at once on a CPU."""


def rng_for(purpose: str, seed: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a random generator for one purpose; different purposes draw different numbers for one seed."""
    digest = sha256(f"{purpose}/{seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


def restore_rng(rng: torch.Generator, state: Tensor, purpose: str, seed: int, step: int) -> None:
    """Restore the state of a random generator, which may be the state of a generator on a different device.

    A CPU and a GPU draw different numbers, and the state of one means nothing to the other. If the device has
    changed, the generator is seeded anew, for this ``purpose``, ``seed`` and ``step``.
    """
    state = state.cpu()
    if state.shape == rng.get_state().shape:
        rng.set_state(state)
    else:
        rng.manual_seed(rng_for(f"{purpose}/{step}", seed).initial_seed())


def draw_noise(config: TrialConfig, n: int, rng: torch.Generator) -> Tensor:
    """Draw noise ``(n, noise_dim)``, uniform on [-1, 1) or normal, on the device of ``rng``."""
    return _noise(config.noise, (n, config.noise_dim), rng)


class NoiseStream:
    """Draw noise piece by piece: together, the pieces equal one draw of all of the noise.

    PyTorch draws normal numbers in blocks of 16, so that several draws differ from one. This class draws
    whole blocks. The equality needs a total that is a multiple of 16.

    Args:
        config: The distribution and dimension of the noise.
        rng: The random generator.

    Attributes:
        rng: The random generator.
    """

    def __init__(self, config: TrialConfig, rng: torch.Generator) -> None:
        self.rng = rng
        self._kind, self._dim = config.noise, config.noise_dim
        self._left = torch.empty(0, device=rng.device)

    def next(self, n: int) -> Tensor:
        """Return the next noise ``(n, noise_dim)``, on the device of ``rng``."""
        missing = n * self._dim - len(self._left)
        if missing > 0:
            drawn = _noise(self._kind, (ceil(missing / BLOCK) * BLOCK,), self.rng)
            self._left = torch.cat([self._left, drawn])
        noise, self._left = self._left.tensor_split([n * self._dim])
        return noise.view(n, self._dim)


def fixed_noise(config: TrialConfig, device: torch.device | str = "cpu") -> Tensor:
    """Return the fixed noise ``(64, noise_dim)`` of every sample grid.

    All noise dimensions share it: a smaller ``noise_dim`` gives the first coordinates of a larger one.
    """
    rng = rng_for("samples")
    coordinates = [_noise(config.noise, (FIXED_NOISE_SIZE,), rng) for _ in range(config.noise_dim)]
    return torch.stack(coordinates, dim=1).to(device)


def _noise(kind: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    if kind == "normal":
        return torch.randn(shape, generator=rng, device=rng.device)
    return torch.rand(shape, generator=rng, device=rng.device) * 2 - 1
