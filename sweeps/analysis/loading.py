"""Load sweeps from the results folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.layout import sweep_names
from sweeps.record.reading import overall_status, read_ledger
from sweeps.words import RESULTS, format_time

if TYPE_CHECKING:
    from sweeps.analysis.several import Sweeps


def list_sweeps(results: Path | str = RESULTS) -> pd.DataFrame:
    """Return a row per sweep in ``results``, the newest first.

    ``sweep``, ``status`` (of an unreadable sweep, the error), ``trials``, ``metric``, ``score`` (of the best
    trial), ``best`` (the best trial), ``confirmed`` (the winner over fresh seeds), ``began`` (the start in
    UTC: ``2026-03-01 09:30 UTC``).
    """
    results = Path(results)
    rows = [_listed(name, results) for name in sweep_names(results)]
    columns = ["sweep", "status", "trials", "metric", "score", "best", "confirmed", "began"]
    frame = pd.DataFrame(rows, columns=columns).astype({"trials": "Int64"})
    return frame.sort_values("began", ascending=False, kind="stable", ignore_index=True)


def _listed(name: str, results: Path) -> dict[str, Any]:
    try:
        sweep = load(name, results)
    except SweepError as error:
        return {"sweep": name, "status": str(error)}
    summary = sweep.summary()
    best, confirmation = summary["best"], summary["confirmation"]
    return {
        "sweep": name,
        "status": overall_status(sweep.facts),
        "trials": sum(summary["trials"].values()),
        "metric": sweep.metric,
        "score": best and best[sweep.metric],
        "best": best and best["trial_id"],
        "confirmed": confirmation and confirmation["winner"],
        "began": format_time(sweep.facts["started_at"]),
    }


@overload
def load(name: str, results: Path | str = RESULTS) -> Sweep: ...
@overload
def load(name: list[str] | tuple[str, ...], results: Path | str = RESULTS) -> "Sweeps": ...
def load(name: str | list[str] | tuple[str, ...], results: Path | str = RESULTS) -> "Sweep | Sweeps":
    """Load a sweep by its name, or several sweeps as one; a sweep may still be running.

    If the process of a sweep was killed, the sweep and its running trials are interrupted.

    Raises:
        UnknownSweepError: ``results`` has no sweep of that name.
        SweepError: A record is damaged, another version wrote it, or the sweeps cannot be compared.
    """
    if isinstance(name, str):
        return Sweep(read_ledger(name, Path(results)).interrupted_if_killed())
    from sweeps.analysis.several import Sweeps

    return Sweeps([load(each, results) for each in dict.fromkeys(name)])
