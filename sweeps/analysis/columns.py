"""Names and kinds of the columns of :attr:`sweeps.Sweep.trials`."""

import numpy as np
import pandas as pd

from gan_core.metric_names import COLUMN_NAMES, SCORE_NAMES

RESULTS = SCORE_NAMES | COLUMN_NAMES | {"images_per_s"}
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
