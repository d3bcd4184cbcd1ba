"""What a generator makes images from."""

import torch
from torch import Tensor

from gan_core.config import TrialConfig

SAMPLES = 64
SAMPLE_SEED = 0


def draw_noise(config: TrialConfig, n: int, rng: torch.Generator) -> Tensor:
    """Draw noise ``(n, noise_dim)``, uniform on [-1, 1) or normal, on the device of ``rng``."""
    return _noise(config.noise, (n, config.noise_dim), rng)


def sample_noise(config: TrialConfig, device: torch.device | str = "cpu") -> Tensor:
    """Return the noise ``(64, noise_dim)`` that every sample grid is drawn from.

    It is one bank for all noise dimensions: a smaller one has the first coordinates of a larger one.
    """
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    coordinates = [_noise(config.noise, (SAMPLES,), rng) for _ in range(config.noise_dim)]
    return torch.stack(coordinates, dim=1).to(device)


def _noise(kind: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    if kind == "normal":
        return torch.randn(shape, generator=rng, device=rng.device)
    return torch.rand(shape, generator=rng, device=rng.device) * 2 - 1
