"""The generator's input noise, and the random generators of a training."""

from hashlib import sha256

import torch
from torch import Tensor

from gan_core.config import TrialConfig

FIXED_NOISE_SIZE = 64


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
