"""Name the loop, the function and the line that raised an exception."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gan_core.errors import GanCoreError, LoopError, in_one_line
from gan_core.loops.declaration import Loop, location, loop_name

_RAISED_BY = "raised by the snapshot's function "


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


def drawn(function: str, draw: Callable[..., object], *arguments: object) -> object:
    """Return what a function of a snapshot draws; a note on its exception names the function.

    Args:
        function: The field of the snapshot: ``sample`` or ``grid``.
        draw: The function.
        arguments: The arguments of the function.
    """
    try:
        return draw(*arguments)
    except (Exception, SystemExit) as error:
        error.add_note(f"{_RAISED_BY}{function}")
        raise


def _function(error: BaseException) -> str:
    """Return the snapshot's function that raised an exception; an empty string if the loop itself did."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((each.removeprefix(_RAISED_BY) for each in notes if each.startswith(_RAISED_BY)), "")
