"""Note which MLflow stores still show a sweep as running."""

import json
from contextlib import suppress
from pathlib import Path

from sweeps.record.files import write_atomically

STORES = "mlflow.json"
"""The file in the sweep's folder that lists the stores."""


def stores_showing_running(folder: Path) -> list[str | None]:
    """Return the public URIs of the stores that show the sweep as running; None: the store in the results."""
    with suppress(OSError, ValueError, TypeError):
        return list(json.loads((folder / STORES).read_text(encoding="utf-8"))["shown_as_running"])
    return []


def note_running(folder: Path, uri: str | None, *, is_running: bool) -> None:
    """Note on disk whether the store at ``uri`` shows the sweep as running."""
    before = stores_showing_running(folder)
    after = [*(each for each in before if each != uri), *([uri] if is_running else [])]
    if after == before:
        return
    write_atomically(folder / STORES, json.dumps({"shown_as_running": after}).encode())
