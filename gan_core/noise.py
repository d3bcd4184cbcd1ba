"""What a generator makes images from."""

from hashlib import sha256

import torch
from torch import Tensor

from gan_core.config import TrialConfig

FIXED_NOISE_SIZE = 64


def rng_for(purpose: str, seed: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the randomness for one purpose: with equal seeds, no two purposes draw the same numbers."""
    digest = sha256(f"{purpose}/{seed}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))


def draw_noise(config: TrialConfig, n: int, rng: torch.Generator) -> Tensor:
    """Draw noise ``(n, noise_dim)``, uniform on [-1, 1) or normal, on the device of ``rng``."""
    return _noise(config.noise, (n, config.noise_dim), rng)


def fixed_noise(config: TrialConfig, device: torch.device | str = "cpu") -> Tensor:
    """Return the noise ``(64, noise_dim)`` that every sample grid is drawn from.

    It is one bank for all noise dimensions: a smaller one has the first coordinates of a larger one.
    """
    rng = rng_for("samples")
    coordinates = [_noise(config.noise, (FIXED_NOISE_SIZE,), rng) for _ in range(config.noise_dim)]
    return torch.stack(coordinates, dim=1).to(device)


def _noise(kind: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    if kind == "normal":
        return torch.randn(shape, generator=rng, device=rng.device)
    return torch.rand(shape, generator=rng, device=rng.device) * 2 - 1
