"""Mixed precision: float32 or bfloat16 in a training step."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gan_core.choices import Precision

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
    convolutions; for other networks, :func:`float32_precision` saves casting weights and gradients.
    """
    in_bf16 = resolve_precision(precision, device) == "bf16"
    skips_autocast = device.type == "cpu" and has_fast_bf16(device) and not _has_convolutions(network)
    return torch.autocast(device.type, torch.bfloat16, enabled=in_bf16 and not skips_autocast)


@contextmanager
def float32_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Set how a device multiplies float32 numbers; on exit, restore the settings of the process.

    ``fp32`` is exact on every device: by default, cuDNN rounds the inputs of convolutions to TF32. On a CPU
    with fast bfloat16, ``bf16`` rounds matrices to bfloat16 before multiplying them, and sums in float32.
    """
    rounds = device.type == "cpu" and has_fast_bf16(device) and precision != "fp32"
    needed = [(_matmul_setting(device), rounds)]
    if resolve_precision(precision, device) == "fp32":
        needed.append((_convolution_setting(device), False))
    with ExitStack() as settings:
        for setting, is_rounded in needed:
            settings.enter_context(setting.changed(is_rounded=is_rounded))
        yield


def keep_in_float32(layer: nn.Module, device: torch.device) -> None:
    """Compute a layer in float32 in mixed precision, such as the last layer of a discriminator.

    Losses are small differences of large logits. On a CPU with fast bfloat16, the gradient of the layer is
    still rounded.
    """
    contexts = ExitStack()

    def enter(_layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        contexts.enter_context(torch.autocast(device.type, enabled=False))
        contexts.enter_context(float32_precision("fp32", device))
        return tuple(each.float() if isinstance(each, Tensor) else each for each in inputs)

    def leave(_layer: nn.Module, _inputs: tuple[Any, ...], _output: Tensor) -> None:
        contexts.close()

    layer.register_forward_pre_hook(enter, prepend=True)
    layer.register_forward_hook(leave, always_call=True)


@dataclass(frozen=True)
class _Setting:
    """One of PyTorch's process-wide settings for the precision of float32 operations, and its values."""

    get: Callable[[], Any]
    set: Callable[[Any], None]
    rounded: Any
    exact: Any

    @contextmanager
    def changed(self, *, is_rounded: bool) -> Iterator[None]:
        before, needed = self.get(), self.rounded if is_rounded else self.exact
        if before == needed:
            yield
            return
        self.set(needed)
        try:
            yield
        finally:
            self.set(before)


def _newer_setting(part: Any, rounded: str) -> _Setting:  # noqa: ANN401 - PyTorch adds these modules on import
    """Return the newer setting of a part of PyTorch, such as ``torch.backends.mkldnn.matmul``.

    A part without a value of its own, "none", reads as the value of all parts; it must not be given one.
    """

    def get() -> str:
        value: str = part.fp32_precision
        return "none" if value == _BACKENDS.fp32_precision else value

    return _Setting(get, lambda value: setattr(part, "fp32_precision", value), rounded, "ieee")


_BACKENDS: Any = torch.backends
_MATMUL = _Setting(
    torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium", "highest"
)
_ONEDNN_MATMUL = _newer_setting(_BACKENDS.mkldnn.matmul, "bf16")
_CUDA_MATMUL = _newer_setting(_BACKENDS.cuda.matmul, "tf32")
_ONEDNN_CONVOLUTION = _newer_setting(_BACKENDS.mkldnn.conv, "bf16")
_CUDNN = _Setting(
    lambda: _BACKENDS.cudnn.allow_tf32,
    lambda allowed: setattr(_BACKENDS.cudnn, "allow_tf32", allowed),
    rounded=True,
    exact=False,
)
_CUDNN_CONVOLUTION = _Setting(
    lambda: _BACKENDS.cudnn.conv.fp32_precision,
    lambda value: setattr(_BACKENDS.cudnn.conv, "fp32_precision", value),
    "tf32",
    "ieee",
)
"""cuDNN's convolutions are the one part with a value of its own from the start: TF32."""


def _matmul_setting(device: torch.device) -> _Setting:
    """Return the setting this process can use: the older one raises if the newer one was set."""
    newer = _CUDA_MATMUL if device.type == "cuda" else _ONEDNN_MATMUL
    return _MATMUL if _can_be_read(_MATMUL) else newer


def _convolution_setting(device: torch.device) -> _Setting:
    """Return the setting this process can use: a newer setting for all of cuDNN overrides the older one."""
    if device.type != "cuda":
        return _ONEDNN_CONVOLUTION
    is_overridden = _BACKENDS.cudnn.fp32_precision == "tf32"
    return _CUDNN if _can_be_read(_CUDNN) and not is_overridden else _CUDNN_CONVOLUTION


def _can_be_read(setting: _Setting) -> bool:
    try:
        setting.get()
    except RuntimeError:
        return False
    return True


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """Return the precision that ``precision`` selects on a device."""
    if precision == "auto":
        return "bf16" if has_fast_bf16(device) else "fp32"
    return precision


def _has_convolutions(network: nn.Module) -> bool:
    return any(isinstance(layer, CONVOLUTION_LAYERS) for layer in network.modules())
