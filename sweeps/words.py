"""Format values as text: parameters, sizes, durations, counts and JSON; the patterns of names."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from shlex import quote

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""A sweep's name, which is also the name of its folder."""

RESULTS = Path("results")
"""The default folder of sweeps."""


def format_params(params: Mapping[str, bool | int | float | str]) -> str:
    """Return parameters on one line.

    >>> format_params({"lr": 0.00123456, "noise_dim": 96})
    'lr=0.00123 noise_dim=96'
    """
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in params.items()
    )


def megabytes(n_bytes: float) -> str:
    """Return a number of bytes in megabytes.

    >>> megabytes(2_340_000)
    '2 MB'
    """
    return f"{n_bytes / 1e6:,.0f} MB"


def duration(seconds: float) -> str:
    """Return a duration in seconds, rounded, with a suitable unit.

    >>> duration(40), duration(200), duration(9000)
    ('40 s', '3 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def format_time(timestamp: float) -> str:
    """Format a point in time, in UTC on every machine.

    >>> format_time(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"


def bar(done: int, n: int, width: int = 20) -> str:
    """Return a progress bar.

    >>> bar(1, 4, width=8)
    '━━──────'
    """
    filled = width * done // n
    return "━" * filled + "─" * (width - filled)


def json_text(value: object) -> str:
    """Return a value as JSON; numbers that are not finite become null, because JSON has no infinity.

    >>> print(json_text({"gain": float("inf"), "scores": [1.5, 2]}))
    {
      "gain": null,
      "scores": [
        1.5,
        2
      ]
    }
    """
    return json.dumps(finite(value), indent=2, allow_nan=False)


def finite(value: object) -> object:
    """Return a value of JSON's kinds in which None replaces each number that is not finite."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1.

    >>> counted(1, "trial"), counted(1200, "trial")
    ('1 trial', '1,200 trials')
    """
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def results_option(results: Path) -> str:
    """Return the option with which a command finds ``results``; empty for the default folder.

    >>> results_option(Path("results")), results_option(Path("my results"))
    ('', " --results 'my results'")
    """
    return "" if results == RESULTS else f" --results {quote(str(results))}"
