"""Name the loop, the function and the line that raised an exception."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import walk_tb

from gan_core.errors import GanCoreError, LoopError, in_one_line
from gan_core.loops.declaration import Loop, location, loop_name


@contextmanager
def crashes_named(loop: Loop, when: str = "") -> Iterator[None]:
    """Raise an exception of the loop's own, or its ``sys.exit()``, as a LoopError that names loop and line.

    Args:
        loop: The training loop that runs inside the block.
        when: The end of the message, for example ``" after a restart"``.
    """
    try:
        yield
    except GanCoreError:
        raise
    except (Exception, SystemExit) as error:
        where, function = location(loop, error), _function(error)
        who = f"{loop_name(loop)}: {function}" if function else loop_name(loop)
        place = f" ({where})" if where else ""
        raise LoopError(f"{who} raised {in_one_line(error)}{place}{when}") from error


def drawn(
    function: str,  # noqa: ARG001 - the message reads it from the frame
    draw: Callable[..., object],
    *arguments: object,
) -> object:
    """Return what a function of a snapshot draws; a message about its exception names the function.

    Args:
        function: The field of the snapshot: ``sample`` or ``grid``.
        draw: The function.
        arguments: The arguments of the function.
    """
    return draw(*arguments)


def _function(error: BaseException) -> str:
    """Return the snapshot's function that raised an exception; an empty string if the loop itself did."""
    frames = (frame for frame, _ in walk_tb(error.__traceback__))
    return next((str(each.f_locals["function"]) for each in frames if each.f_code is drawn.__code__), "")
