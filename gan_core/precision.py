"""Which number format a training step computes in."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from gan_core.config import Precision

BF16_CPU_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")

BF16_COMPUTE_CAPABILITY = (8, 0)
"""The compute capability from which a CUDA GPU multiplies bfloat16 matrices in hardware."""

CONVOLUTION_LAYERS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware: AMX or AVX-512 BF16, tensor cores on a GPU.

    Elsewhere bfloat16 is emulated, and slower than float32.
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
    """Return what a network runs forward in: mixed bfloat16 for ``bf16``, and for ``auto`` where it gains.

    One after another, any number of passes may use it.

    Weights, their gradients, the losses and the optimiser stay in float32 (Micikevicius et al., 2018,
    arXiv:1710.03740; bfloat16 needs no loss scaling). A CPU that multiplies bfloat16 needs this for
    convolutions alone: :func:`matmul_precision` spares other networks the casts of their weights and
    gradients.
    """
    in_bf16 = resolve_precision(precision, device) == "bf16"
    is_spared = device.type == "cpu" and has_fast_bf16(device) and not _has_convolutions(network)
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bf16 and not is_spared)


@contextmanager
def matmul_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices with both rounded to bfloat16, on a CPU that gains from it, for ``bf16``.

    Sums and results stay in float32; for ``fp32`` matrices are multiplied as they are. PyTorch has one
    setting for all of the process: it is as before afterwards.
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
    """One of the two ways in which PyTorch is told how to multiply float32 matrices, and its words for it."""

    get: Callable[[], str]
    set: Callable[[str], None]
    rounded: str
    exact: str


_TORCH_WIDE = _MatmulSetting(
    torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium", "highest"
)
_ONEDNN = _MatmulSetting(
    lambda: str(torch.backends.mkldnn.matmul.fp32_precision),  # type: ignore[attr-defined] # made on import
    lambda precision: setattr(torch.backends.mkldnn.matmul, "fp32_precision", precision),  # type: ignore[attr-defined]
    "bf16",
    "ieee",
)


def _matmul_setting() -> _MatmulSetting:
    """Return the one that this process may use: PyTorch's older one raises where the newer one was used."""
    try:
        _TORCH_WIDE.get()
    except RuntimeError:
        return _ONEDNN
    return _TORCH_WIDE


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return what ``precision`` is on a device."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def _has_convolutions(network: nn.Module) -> bool:
    return any(isinstance(layer, CONVOLUTION_LAYERS) for layer in network.modules())
