"""Mixed precision: float32 or bfloat16 in a training step."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from gan_core.config import Precision

BF16_CPU_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")

BF16_COMPUTE_CAPABILITY = (8, 0)
"""The lowest compute capability of CUDA GPUs with bfloat16 tensor cores."""

CONVOLUTION_LAYERS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware: AMX, AVX-512 BF16 or GPU tensor cores.

    Other devices emulate bfloat16, which is slower than float32.
    """
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(instruction, False) for instruction in BF16_CPU_INSTRUCTIONS)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= BF16_COMPUTE_CAPABILITY
    return False


def autocast_for(
    precision: Precision, device: torch.device, network: nn.Module
) -> AbstractContextManager[None]:
    """Return the reusable autocast context for a network's forward pass, disabled for ``fp32``.

    Weights, gradients, losses and the optimizer stay in float32 (Micikevicius et al., 2018,
    arXiv:1710.03740); bfloat16 needs no loss scaling. A CPU with fast bfloat16 needs autocast only for
    convolutions; for other networks, :func:`matmul_precision` saves casting weights and gradients.
    """
    in_bf16 = resolve_precision(precision, device) == "bf16"
    skips_autocast = device.type == "cpu" and has_fast_bf16(device) and not _has_convolutions(network)
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bf16 and not skips_autocast)


@contextmanager
def matmul_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Round float32 matrices to bfloat16 before multiplying them, on a CPU with fast bfloat16.

    Sums and results stay in float32; ``fp32`` does not round. PyTorch's setting applies to the whole
    process; on exit, this restores the previous one.
    """
    setting = _matmul_setting()
    is_rounded = device.type == "cpu" and has_fast_bf16(device) and precision != "fp32"
    before, needed = setting.get(), setting.rounded if is_rounded else setting.exact
    if before == needed:
        yield
        return
    setting.set(needed)
    try:
        yield
    finally:
        setting.set(before)


@dataclass(frozen=True)
class _MatmulSetting:
    """One of PyTorch's two settings for the precision of float32 matmuls, and its values."""

    get: Callable[[], str]
    set: Callable[[str], None]
    rounded: str
    exact: str


_TORCH_WIDE = _MatmulSetting(
    torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium", "highest"
)
_ONEDNN = _MatmulSetting(
    lambda: str(torch.backends.mkldnn.matmul.fp32_precision),  # type: ignore[attr-defined] # added on import
    lambda precision: setattr(torch.backends.mkldnn.matmul, "fp32_precision", precision),  # type: ignore[attr-defined]
    "bf16",
    "ieee",
)


def _matmul_setting() -> _MatmulSetting:
    """Return the setting this process can use: the older one raises if the newer one was set."""
    try:
        _TORCH_WIDE.get()
    except RuntimeError:
        return _ONEDNN
    return _TORCH_WIDE


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return the precision that ``precision`` selects on a device."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def _has_convolutions(network: nn.Module) -> bool:
    return any(isinstance(layer, CONVOLUTION_LAYERS) for layer in network.modules())
