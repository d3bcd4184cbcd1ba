"""Names and kinds of the columns of :attr:`sweeps.Sweep.trials`."""

import numpy as np
import pandas as pd

RESULTS = frozenset(
    (
        *("trial_id", "of", "status", "is_baseline", "pareto", "flags", "took_over", "retries"),
        *("step", "best_step", "samples", "reason", "traceback", "seconds"),
        *("fid", "kid", "precision", "recall", "coverage", "modes", "class_kl", "memorisation", "copies"),
        "images_per_s",
    )
)
"""Columns of results; a parameter of the same name has another column."""


def column_of(parameter: str) -> str:
    """Return the column of a parameter.

    >>> column_of("lr"), column_of("precision")
    ('lr', 'precision_of_training')
    """
    return f"{parameter}_of_training" if parameter in RESULTS else parameter


def is_number(values: pd.Series) -> bool:
    """Return whether a column holds numbers and no booleans."""
    return pd.api.types.is_numeric_dtype(values.infer_objects()) and not is_bool(values)


def is_bool(values: pd.Series) -> bool:
    """Return whether a column holds booleans."""
    return bool(values.map(lambda value: isinstance(value, bool | np.bool_)).any())
