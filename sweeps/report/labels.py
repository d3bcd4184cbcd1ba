"""Label trials and values in figures."""

from html import escape
from typing import Any

import pandas as pd

from sweeps.analysis.verdict import number
from sweeps.record.status import FAILURES, Status
from sweeps.report.style import DEFAULTS, FURTHER_SEED


def plot_text(value: object, most: int = 80) -> str:
    """Return a value as text, escaped because plotly interprets HTML, and cut to ``most`` characters."""
    text = number(value) if isinstance(value, float) else str(value)
    return escape(text if len(text) <= most else f"{text[:most]}...", quote=False)


def trial_kinds(trials: pd.DataFrame) -> pd.Series:
    """Return the kind of each trial, a key of ``STYLES``.

    The kind of a failed trial is its status. Any other trial may be one of the defaults or a further
    seed of a configuration.
    """
    words = trials["status"].map(lambda status: Status(status).words)
    has_failed = trials["status"].isin(FAILURES)
    kinds = words.mask(trials["is_baseline"].astype(bool) & ~has_failed, DEFAULTS)
    return kinds.mask(is_further_seed(trials) & ~has_failed, FURTHER_SEED)


def is_further_seed(trials: pd.DataFrame) -> pd.Series:
    """Return which trials repeat the configuration of an earlier trial on a further seed."""
    return trials["of"].notna() if "of" in trials else pd.Series(data=False, index=trials.index)


def configuration_of(trials: pd.DataFrame) -> pd.Series:
    """Return the first trial of each trial's configuration."""
    return trials["of"].fillna(trials["trial_id"]) if "of" in trials else trials["trial_id"]


def hover_label(row: dict[Any, Any]) -> str:
    """Return the hover text of a trial: its name, whether it is a further seed, and why it failed."""
    of = "" if pd.isna(row.get("of")) else f"<br>a further seed of {plot_text(row['of'])}"
    reason = "" if pd.isna(row["reason"]) else f"<br>{plot_text(row['reason'])}"
    return f"{plot_text(row['trial_id'])}{of}{reason}"


def configuration_label(row: dict[Any, Any]) -> str:
    """Return the axis label of a finalist: its trial and, below it, its verdict."""
    verdict = f"{DEFAULTS}, {row['verdict']}" if row["is_baseline"] else row["verdict"]
    return f"{plot_text(row['trial_id'])}<br>{verdict}"
