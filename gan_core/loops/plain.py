"""Check that a loop's state can be saved, and loaded again without running code."""

from collections import OrderedDict
from collections.abc import Iterator

import torch
from torch import Tensor, nn

_LEAVES = (Tensor, nn.Parameter, bool, int, float, str, type(None), torch.dtype, torch.device, torch.Size)
_SEQUENCES, _MAPPINGS, _KEYS = (list, tuple), (dict, OrderedDict), (bool, int, float, str)


def unsupported(value: object, path: str) -> str | None:
    """Return the path and type of the first part that a checkpoint cannot hold; None if all parts fit.

    A checkpoint holds tensors, numbers, text, None, and tuples, lists and dicts of them.

    >>> unsupported({"lr": 0.1, "hooks": [print]}, "state()")
    "state()['hooks'][0] is a builtin_function_or_method"
    """
    if type(value) in _LEAVES:
        return None
    if type(value) not in (*_SEQUENCES, *_MAPPINGS):
        return f"{path} is a {_type_name(value)}"
    found = (unsupported(part, f"{path}[{key!r}]") for key, part in _parts(value))
    if wrong_key := next((key for key, _ in _parts(value) if type(key) not in _KEYS), None):
        return f"{path} has the key {wrong_key!r}, a {_type_name(wrong_key)}"
    return next(filter(None, found), None)


def _parts(container: object) -> Iterator[tuple[object, object]]:
    if isinstance(container, dict):
        yield from container.items()
    elif isinstance(container, (list, tuple)):
        yield from enumerate(container)


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
