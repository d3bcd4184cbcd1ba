"""Names and kinds of the columns of :attr:`sweeps.Sweep.trials`."""

import numpy as np
import pandas as pd


def column_of(parameter: str) -> str:
    """Return the column of a parameter. ``precision`` is a score, so the parameter has another column."""
    return f"{parameter}_of_training" if parameter == "precision" else parameter


def is_number(values: pd.Series) -> bool:
    """Return whether a column holds numbers and no booleans."""
    return pd.api.types.is_numeric_dtype(values.infer_objects()) and not is_bool(values)


def is_bool(values: pd.Series) -> bool:
    """Return whether a column holds booleans."""
    return bool(values.map(lambda value: isinstance(value, bool | np.bool_)).any())
