"""Keep what a training loop changes of its process apart from the rest of the process."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from gan_core.randomness import random_state, seed_randomness, set_random_state


class LoopEnvironment:
    """The settings and global random numbers of a loop, which hold while the loop runs, and only then.

    These are the grad mode, autocast, inference mode, the default dtype and device, the number of threads,
    the flags of torch's backends, and the global random numbers of torch, NumPy and ``random``. A loop that
    waits at a ``yield`` inside ``with torch.autocast(...)``, for example, leaves autocast on. This class
    turns it off until the loop continues.

    Args:
        seed: The seed of the loop's global random numbers.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._its: _Settings | None = None
        self._cover = ExitStack()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Apply the loop's settings inside the block, and the previous ones after it."""
        outer = _Settings.now()
        self._cover.close()
        if self._its is None:
            seed_randomness(self._seed)
        else:
            self._its.apply()
        try:
            yield
        finally:
            self._its = _Settings.now()
            self._cover = _covering(outer)
            outer.apply()

    def leave(self) -> None:
        """Undo what remains after the loop has ended: a default device that it set, for example."""
        outer = _Settings.now()
        self._cover.close()
        if torch.get_default_device() != outer.device:
            torch.set_default_device(None if outer.device.type == "cpu" else outer.device)
        outer.apply()


@dataclass(frozen=True)
class _Settings:
    """The settings of this thread and process at one moment."""

    inference: bool
    device: torch.device
    values: tuple[Any, ...]
    randomness: dict[str, Any]

    @classmethod
    def now(cls) -> "_Settings":
        values = tuple(_read(get) for get, _ in _SETTINGS)
        return cls(torch.is_inference_mode_enabled(), torch.get_default_device(), values, random_state())

    def apply(self) -> None:
        """Apply all but inference mode and the default device, which :func:`_covering` changes."""
        for (get, put), value in zip(_SETTINGS, self.values, strict=True):
            if value is not None and _read(get) != value:
                put(value)
        torch.clear_autocast_cache()
        set_random_state(self.randomness)


def _covering(outer: _Settings) -> ExitStack:
    """Enter the inference mode and default device of ``outer`` where they differ; closing undoes it.

    PyTorch can leave both only in the reverse order of entering, and the loop has entered its own.
    """
    cover = ExitStack()
    if torch.is_inference_mode_enabled() != outer.inference:
        cover.enter_context(torch.inference_mode(outer.inference))
    if torch.get_default_device() != outer.device:
        cover.enter_context(outer.device)
    return cover


def _read(get: Callable[[], Any]) -> Any:  # noqa: ANN401 - settings have many types
    """Return a setting; None if the older of two names of a setting cannot be read."""
    try:
        return get()
    except RuntimeError:
        return None


def _attribute(owner: Any, name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:  # noqa: ANN401
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _called(context: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a function that calls ``context``, which changes a setting when it is created."""

    def put(value: Any) -> None:  # noqa: ANN401
        context(value)

    return put


def _autocast(device_type: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    def put(value: tuple[bool, torch.dtype]) -> None:
        torch.set_autocast_enabled(device_type, value[0])
        torch.set_autocast_dtype(device_type, value[1])

    return lambda: (torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)), put


def _autocast_nesting() -> int:
    """Return the number of open autocast blocks; the last one to end empties their cache of weights."""
    nesting: int = torch.autocast_increment_nesting() - 1
    torch.autocast_decrement_nesting()
    return nesting


def _set_autocast_nesting(nesting: int) -> None:
    for _ in range(nesting - _autocast_nesting()):
        torch.autocast_increment_nesting()
    for _ in range(_autocast_nesting() - nesting):
        torch.autocast_decrement_nesting()


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _reduction(name: str) -> tuple[Callable[[], Any], Callable[[Any], None]]:
    """Return a getter and a setter of PyTorch's ``allow_NAME_reduced_precision_reduction``."""
    matmul = _BACKENDS.cuda.matmul
    names = f"allow_{name}_reduced_precision_reduction", f"allow_{name}_reduced_precision_reduction_split_k"
    return lambda: tuple(getattr(matmul, each) for each in names), _attribute(matmul, names[0])[1]


def _flushes_denormals() -> bool:
    """Return whether this thread flushes denormal numbers to 0; PyTorch can only change the setting."""
    return _SMALLEST * 1.0 == 0.0


def _set_invariants(checked: bool) -> None:  # noqa: FBT001 - the only argument
    invariants: Any = torch.sparse.check_sparse_tensor_invariants
    (invariants.enable if checked else invariants.disable)()


_SMALLEST = 5e-324
_BACKENDS: Any = torch.backends
_PRECISIONS = (
    _BACKENDS,
    _BACKENDS.cuda.matmul,
    _BACKENDS.cudnn,
    _BACKENDS.cudnn.conv,
    _BACKENDS.cudnn.rnn,
    _BACKENDS.mkldnn,
    _BACKENDS.mkldnn.matmul,
    _BACKENDS.mkldnn.conv,
    _BACKENDS.mkldnn.rnn,
)
"""The parts of PyTorch that multiply float32 numbers. A part without a value of its own uses its parent's."""

_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (torch.is_grad_enabled, _called(torch.set_grad_enabled)),
    _autocast("cpu"),
    _autocast("cuda"),
    (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.is_anomaly_enabled, _called(torch.autograd.set_detect_anomaly)),
    (_deterministic, lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1])),
    _attribute(_BACKENDS.cudnn, "enabled"),
    _attribute(_BACKENDS.cudnn, "benchmark"),
    _attribute(_BACKENDS.cudnn, "benchmark_limit"),
    _attribute(_BACKENDS.cudnn, "deterministic"),
    _attribute(_BACKENDS.mkldnn, "enabled"),
    _attribute(_BACKENDS.mkldnn, "deterministic"),
    _attribute(_BACKENDS.miopen, "immediate"),
    _attribute(_BACKENDS.opt_einsum, "enabled"),
    _attribute(_BACKENDS.opt_einsum, "strategy"),
    _attribute(_BACKENDS.quantized, "engine"),
    _attribute(_BACKENDS.cuda.matmul, "allow_fp16_accumulation"),
    _reduction("fp16"),
    _reduction("bf16"),
    (_BACKENDS.cuda.flash_sdp_enabled, _BACKENDS.cuda.enable_flash_sdp),
    (_BACKENDS.cuda.mem_efficient_sdp_enabled, _BACKENDS.cuda.enable_mem_efficient_sdp),
    (_BACKENDS.cuda.math_sdp_enabled, _BACKENDS.cuda.enable_math_sdp),
    (_BACKENDS.cuda.cudnn_sdp_enabled, _BACKENDS.cuda.enable_cudnn_sdp),
    (_BACKENDS.cuda.fp16_bf16_reduction_math_sdp_allowed, _BACKENDS.cuda.allow_fp16_bf16_reduction_math_sdp),
    (_BACKENDS.cuda.preferred_blas_library, _BACKENDS.cuda.preferred_blas_library),
    (_BACKENDS.cuda.preferred_linalg_library, _BACKENDS.cuda.preferred_linalg_library),
    (_BACKENDS.mha.get_fastpath_enabled, _BACKENDS.mha.set_fastpath_enabled),
    _attribute(torch.utils.deterministic, "fill_uninitialized_memory"),
    (_autocast_nesting, _set_autocast_nesting),
    (_flushes_denormals, torch.set_flush_denormal),
    (torch.is_warn_always_enabled, torch.set_warn_always),
    (torch.sparse.check_sparse_tensor_invariants.is_enabled, _set_invariants),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _attribute(_BACKENDS.cudnn, "allow_tf32"),
    *(_attribute(part, "fp32_precision") for part in _PRECISIONS),
)
"""A function that reads each setting and one that changes it, parents before parts."""
