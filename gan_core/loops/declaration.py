"""Read what a training loop declares: its name, its hyperparameters and its parameters."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from inspect import Parameter, isgeneratorfunction, signature, unwrap
from pathlib import Path
from traceback import walk_tb
from types import SimpleNamespace
from typing import Any, get_type_hints

from gan_core.errors import LoopError
from gan_core.loop_config import LoopConfig
from gan_core.loops.snapshot import Sample, Snapshot

Loop = Callable[..., Iterator[Snapshot]]
"""A generator function ``loop(config, data, device, state=None)``, or one without ``state``."""

_LIGHTNING = ("lightning", "pytorch_lightning")
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def loop_name(loop: Loop) -> str:
    """Return ``MODULE:NAME`` of a loop, for messages."""
    function: Any = loop.func if isinstance(loop, partial) else loop
    described = function if hasattr(function, "__qualname__") else type(function)
    return f"{described.__module__}:{described.__qualname__}"


def check_is_loop(loop: Loop) -> None:
    """Raise LoopError unless ``loop`` is a generator function that takes a config, data and a device."""
    if not callable(loop):
        raise LoopError(f"{loop!r} is not a training loop: a loop is a generator function")
    if lightning := _of_lightning(loop):
        raise LoopError(
            f"{loop_name(loop)} is a {lightning}: Lightning's fit trains to the end at once, so that"
            " gan-sweep can neither score nor stop it; write its steps as a generator function that yields"
            " gan_core.Snapshot(step, sample)"
        )
    call = getattr(loop, "__call__", None)  # noqa: B004 - an object may be a loop by its class's __call__
    if not (isgeneratorfunction(unwrap(loop)) or isgeneratorfunction(call)):
        raise LoopError(
            f"{loop_name(loop)} is not a generator function: add 'yield gan_core.Snapshot(step, sample)'"
        )
    if not _accepts(loop, 3, ["state"] if takes_state(loop) else []):
        raise LoopError(
            f"{loop_name(loop)} must have the parameters (config, data, device) or (config, data, device,"
            f" state=None), got {signature(loop)}"
        )


def _of_lightning(loop: object) -> str | None:
    """Return the name of the Lightning class of ``loop``, or None for any other object."""
    bases = (loop if isinstance(loop, type) else type(loop)).__mro__
    named = {base.__name__ for base in bases if base.__module__.partition(".")[0] in _LIGHTNING}
    return next((name for name in ("LightningModule", "Trainer") if name in named), None)


def config_class(loop: Loop) -> type[LoopConfig]:
    """Return the class of hyperparameters that annotates the first parameter of a loop.

    Raises:
        LoopError: ``loop`` is not a generator function, or its first parameter is not annotated with a
            subclass of :class:`gan_core.LoopConfig`.
    """
    annotated = _first_annotation(loop)
    if not (isinstance(annotated, type) and issubclass(annotated, LoopConfig)):
        raise LoopError(
            f"the first parameter of {loop_name(loop)} must be annotated with a subclass of"
            " gan_core.LoopConfig: 'config: Config'"
        )
    return annotated


def check_config(loop: Loop, config: LoopConfig) -> None:
    """Raise LoopError if ``loop`` is not a generator function, or declares a different class of config."""
    annotated = _first_annotation(loop)
    if isinstance(annotated, type) and not isinstance(config, annotated):
        raise LoopError(
            f"{loop_name(loop)} takes a {annotated.__name__}, and config is a {type(config).__name__}: pass a"
            f" {annotated.__name__}"
        )


def _first_annotation(loop: Loop) -> object:
    """Return the type that annotates the first parameter of a loop; None without annotation."""
    check_is_loop(loop)
    first = next(iter(signature(loop).parameters.values()), None)
    if first is None or first.annotation is Parameter.empty:
        return None
    only_first = SimpleNamespace(__annotations__={first.name: first.annotation})
    try:
        return get_type_hints(only_first, _globals(loop))[first.name]
    except (NameError, TypeError) as error:
        raise LoopError(f"the annotation of config in {loop_name(loop)} cannot be read: {error}") from error


def _globals(loop: Loop) -> dict[str, Any]:
    """Return the names of the module that defines a loop."""
    function: Any = unwrap(loop.func if isinstance(loop, partial) else loop)
    code = function if hasattr(function, "__globals__") else type(function).__call__
    found: dict[str, Any] = code.__globals__
    return found


def takes_state(loop: Loop) -> bool:
    """Return whether a loop has a parameter ``state``, and can therefore resume."""
    return "state" in signature(loop).parameters


def location(loop: Loop, error: BaseException) -> str:
    """Return the last line of the loop's file that an exception passed: ``mine.py, line 3``, or nothing."""
    file = file_of(loop)
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return f"{Path(file).name}, line {lines[-1]}" if lines else ""


def file_of(loop: Loop) -> str:
    """Return the file of the code of a loop, as the tracebacks of its exceptions name it."""
    function: Any = unwrap(loop.func if isinstance(loop, partial) else loop)
    code = function if hasattr(function, "__code__") else type(function).__call__
    return str(code.__code__.co_filename)


def check_sample(name: str, sample: object) -> None:
    """Raise LoopError unless ``sample`` is a function ``(n, rng)`` or ``(n, rng, labels)``.

    Args:
        name: The name of the loop, for the message.
        sample: The ``sample`` of a snapshot.
    """
    if not callable(sample):
        raise LoopError(f"{name}: sample must be a function (n, rng), got a {type(sample).__name__}")
    if not _accepts(sample, 3 if takes_labels(sample) else 2):
        raise LoopError(
            f"{name}: sample must have the parameters (n, rng) or (n, rng, labels), got {signature(sample)}"
        )


def _accepts(function: Callable[..., Any], n_positional: int, keywords: Sequence[str] = ()) -> bool:
    """Return whether a function can be called with so many positional arguments and these keywords."""
    try:
        signature(function).bind(*[None] * n_positional, **dict.fromkeys(keywords))
    except TypeError:
        return False
    return True


def takes_labels(sample: Sample) -> bool:
    """Return whether a ``sample`` function has a third parameter, for classes.

    A default value makes a parameter something else: ``lambda n, rng, step=step: ...`` keeps a value.
    """
    positional = [each for each in signature(sample).parameters.values() if each.kind in _POSITIONAL]
    third = next(iter(positional[2:]), None)
    return third is not None and (third.default is Parameter.empty or third.name == "labels")
