"""Find tensors that code creates on a fixed device, on machines with and without a GPU."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

COMBINES_DEVICES = ("aten::copy_", "aten::_to_copy", "aten::index", "aten::index_put", "aten::index_put_")
"""The operations that accept tensors of a GPU and of the CPU together."""

META = torch.device("meta")
"""A device on which tensors have a shape and no values."""


def uses_fixed_device(function: Callable[[], object]) -> bool:
    """Return whether a function of meta tensors combines them with its own CPU tensors, or returns one.

    The function must take its tensors, the parameters included, on :data:`META`. If it looks at a value, as
    ``if images.mean() > 0`` does, only its operations before that are checked.
    """
    try:
        with _Devices():  # type: ignore[no-untyped-call]
            results = function()
    except _MixedDevicesError:
        return True
    except Exception:  # noqa: BLE001 - PyTorch raises several kinds for values that do not exist
        return False
    return "cpu" in _device_types([results])


class _MixedDevicesError(Exception):
    """One operation got tensors of two devices."""


class _Devices(TorchDispatchMode):
    """Raises _MixedDevicesError if an operation combines tensors of two devices."""

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - PyTorch's operations have no public type
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - an operation may return anything
        if len(_device_types([args, kwargs])) > 1 and func.name().partition(".")[0] not in COMBINES_DEVICES:
            raise _MixedDevicesError
        return func(*args, **kwargs or {})


def _device_types(values: object) -> set[str]:
    """Return the device types of all tensors in nested values, except scalars, which fit every device."""
    return {leaf.device.type for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.dim()}
