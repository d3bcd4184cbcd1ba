"""Label trials and values in figures."""

from html import escape
from typing import Any

import pandas as pd

from sweeps.record.status import FAILURES, Status
from sweeps.report.style import DEFAULTS


def plot_text(value: object, most: int = 80) -> str:
    """Return a value as text, escaped because plotly interprets HTML, and cut to ``most`` characters."""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return escape(text if len(text) <= most else f"{text[:most]}...", quote=False)


def trial_kinds(trials: pd.DataFrame) -> pd.Series:
    """Return the kind of each trial, a key of ``STYLES``: its status, or ``defaults`` unless they failed."""
    words = trials["status"].map(lambda status: Status(status).words)
    return words.mask(trials["is_baseline"].astype(bool) & ~trials["status"].isin(FAILURES), DEFAULTS)


def hover_label(row: dict[Any, Any]) -> str:
    """Return the hover text of a trial: its name and, if it failed, the reason."""
    reason = "" if pd.isna(row["reason"]) else f"<br>{plot_text(row['reason'])}"
    return f"{plot_text(row['trial_id'])}{reason}"


def configuration_label(row: dict[Any, Any]) -> str:
    """Return the axis label of a finalist: its trial and, below it, its verdict."""
    verdict = f"{DEFAULTS}, {row['verdict']}" if row["is_baseline"] else row["verdict"]
    return f"{plot_text(row['trial_id'])}<br>{verdict}"
