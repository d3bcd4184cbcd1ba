"""Give a training loop of this process an import path, by which the workers of a sweep find it."""

import sys
from atexit import register
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module, invalidate_caches
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from gan_core.errors import in_one_line
from gan_core.imports import SENT, trust
from sweeps.errors import SweepError

if TYPE_CHECKING:
    from gan_core.loops.declaration import Loop

_MODULE = '''\
"""The training loop {name}, which its process sent by value to the workers of a sweep."""

from ray.cloudpickle import loads


def _imports():
    """Import what the loop may use; never called, but read to find its files."""
{imports}


{attribute}, _annotations = loads({content!r})
if _annotations:
    {attribute}.__annotations__ = _annotations
'''


def path_of(loop: "Loop") -> tuple[str, bool]:
    """Return the import path of a training loop, and whether only this process and its workers know it.

    A function of a module has the path ``MODULE:NAME``. Any other loop, for example a function of a notebook,
    of the script that runs, or inside of a function, is sent by value: it becomes a module of its own in a
    temporary folder of this process.

    Raises:
        LoopError: ``loop`` is not a training loop.
        SweepError: The loop uses an object that cannot be sent: an open file, for example.
    """
    from gan_core.loops.declaration import config_class, loop_name

    name = loop_name(loop)
    config_class(loop)
    is_sent = _imported(name) is not loop
    path = _sent(loop, name) if is_sent else name
    trust(path)
    return path, is_sent


def _imported(path: str) -> object:
    """Return what other processes import by a path; None if they cannot."""
    module, _, attribute = path.partition(":")
    if module == "__main__" or module not in sys.modules:
        return None
    return getattr(import_module(module), attribute, None)


def _sent(loop: "Loop", name: str) -> str:
    """Write a module that holds the loop, and return the loop's import path."""
    from ray.cloudpickle import dumps

    try:
        content = dumps((loop, _annotations(loop)))
    except Exception as error:
        raise SweepError(
            f"train={name} cannot be sent to the workers: {in_one_line(error)}; create what it uses inside of"
            " the function, or put the function into a module"
        ) from error
    module = f"{SENT}{sha256(content).hexdigest()[:8]}"
    own = getattr(loop, "__name__", "train")
    attribute = own if own.isidentifier() else "train"
    imports = "\n".join(f"    import {each}" for each in sorted({*_modules(loop)})) or "    return"
    text = _MODULE.format(name=name, imports=imports, attribute=attribute, content=content)
    (_folder() / f"{module}.py").write_text(text, encoding="utf-8")
    invalidate_caches()
    return f"{module}:{attribute}"


def _annotations(loop: "Loop") -> dict[str, Any] | None:
    """Return the annotations of a function, with its config as a class: a worker cannot look its name up."""
    from gan_core.loops.declaration import config_class

    if not isinstance(loop, FunctionType):
        return None
    first = next(iter(loop.__annotations__))
    return {first: config_class(loop)}


def _modules(loop: "Loop") -> Iterator[str]:
    """Yield the modules of what the loop's own module has imported."""
    for value in getattr(loop, "__globals__", {}).values():
        module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(module, str) and module not in {"__main__", "builtins"} and module in sys.modules:
            yield module


@cache
def _folder() -> Path:
    """Return the temporary folder of the modules, which this process imports from and deletes at its end."""
    folder = mkdtemp(prefix="gan-sweep-")
    register(rmtree, folder, ignore_errors=True)
    sys.path.append(folder)
    return Path(folder)
