"""Log the events of a sweep: in its folder, and on stderr if the user asks for the log.

Every module logs to Python's logger ``sweeps``.
"""

import logging
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from sweeps.driver.environment import package_version
from sweeps.driver.progress import Terminal
from sweeps.record.layout import LOG_FILE
from sweeps.tracking.store import without_credentials

LOG = logging.getLogger("sweeps")


class _Lines(logging.Formatter):
    """Formats an event as one line with its time in UTC."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")


class EventLog(logging.Handler):
    """Appends events to the log file of a sweep, and holds them in memory until the sweep has a folder.

    If the disk is full, the log loses its last lines, without an error.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(_Lines())
        self._early: list[str] = []
        self._file: TextIO | None = None

    def keep_in(self, folder: Path) -> None:
        """Write the events, those of before included, to the folder of the sweep."""
        self._file = (folder / LOG_FILE).open("a", encoding="utf-8")
        for line in self._early:
            self._write(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Log an event."""
        if self._file is None:
            self._early.append(self.format(record))
        else:
            self._write(self.format(record))

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            if self._file:
                self._file.close()
        super().close()

    def _write(self, line: str) -> None:
        with suppress(OSError):
            if self._file:
                self._file.write(f"{line}\n")
                self._file.flush()


class _Shown(logging.Handler):
    """Prints events above what the terminal draws."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.setFormatter(_Lines())
        self._console = terminal.console

    def emit(self, record: logging.LogRecord) -> None:
        """Print an event."""
        self._console.print(self.format(record), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def event_log(terminal: Terminal) -> Iterator[EventLog]:
    """Log for the block, also reports, and yield the log, which needs the folder of the sweep.

    Handlers of the root logger get none of the events, because the terminal shows them.
    """
    log = EventLog()
    handlers = [log, _Shown(terminal)] if terminal.is_verbose else [log]
    before = LOG.level, LOG.propagate
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    for handler in handlers:
        LOG.addHandler(handler)
    try:
        LOG.info(f"gan-sweep {package_version('gan-sweep')}: {_command_line()}")
        yield log
    except BaseException as error:
        LOG.critical(f"the command ends: {type(error).__name__}: {error}")
        raise
    finally:
        for handler in handlers:
            LOG.removeHandler(handler)
            handler.close()
        LOG.setLevel(before[0])
        LOG.propagate = before[1]


def _command_line() -> str:
    """Return the command line of this process without the credentials of URIs."""
    return shlex.join(
        without_credentials(word) if "@" in word or "://" in word else word for word in sys.argv
    )
