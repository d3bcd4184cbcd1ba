"""Load sweeps from the results folder."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.layout import sweep_names
from sweeps.record.reading import read_ledger, standing
from sweeps.words import RESULTS

if TYPE_CHECKING:
    from sweeps.analysis.several import Sweeps


def list_sweeps(results: Path | str = RESULTS) -> pd.DataFrame:
    """Return a row a sweep in ``results``, the newest first.

    ``sweep``, ``status`` (of one that cannot be read: why), ``trials``, ``metric``, ``score`` of the best
    trial, ``best`` (which), ``confirmed`` (the winner over fresh seeds), ``began`` (UTC).
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
    began = datetime.fromtimestamp(sweep.facts["started_at"], tz=UTC)
    return {
        "sweep": name,
        "status": standing(sweep.facts),
        "trials": sum(summary["trials"].values()),
        "metric": sweep.metric,
        "score": best and best[sweep.metric],
        "best": best and best["trial_id"],
        "confirmed": confirmation and confirmation["winner"],
        "began": f"{began:%Y-%m-%d %H:%M}",
    }


@overload
def load(name: str, results: Path | str = RESULTS) -> Sweep: ...
@overload
def load(name: list[str] | tuple[str, ...], results: Path | str = RESULTS) -> "Sweeps": ...
def load(name: str | list[str] | tuple[str, ...], results: Path | str = RESULTS) -> "Sweep | Sweeps":
    """Load a sweep by its name, or several by theirs as one; a sweep may still be running.

    One whose process was killed is interrupted, as are the trials that it ran.

    Raises:
        UnknownSweepError: There is no such sweep in ``results``.
        SweepError: Another version wrote it, it is damaged, or several cannot be compared.
    """
    if isinstance(name, str):
        return Sweep(read_ledger(name, Path(results)).as_it_stands())
    from sweeps.analysis.several import Sweeps

    return Sweeps([Sweep(read_ledger(each, Path(results)).as_it_stands()) for each in dict.fromkeys(name)])
