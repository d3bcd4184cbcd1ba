"""Which number format a training step computes in."""

from contextlib import AbstractContextManager
from typing import Literal

import torch

from gan_core.config import Precision

CPU_BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")

TENSOR_CORES_FOR_BF16 = (8, 0)
"""The compute capability from which a CUDA GPU multiplies bfloat16 matrices in hardware."""


def gains_from_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in hardware: AMX or AVX-512 BF16, tensor cores on a GPU.

    Elsewhere bfloat16 is emulated, and slower than float32.
    """
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(instruction, False) for instruction in CPU_BF16_INSTRUCTIONS)
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= TENSOR_CORES_FOR_BF16
    return False


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """Return the context that networks run in: mixed bfloat16 for ``bf16``, and for ``auto`` where it gains.

    Weights, their gradients, the losses and the optimiser stay in float32 (Micikevicius et al., 2018,
    arXiv:1710.03740; bfloat16 needs no loss scaling).
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=resolved(precision, device) == "bf16")


def resolved(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return what ``precision`` is on a device."""
    if precision == "auto":
        return "bf16" if gains_from_bf16(device) else "fp32"
    return precision
