"""The kinds of a trial table's columns."""

import numpy as np
import pandas as pd


def is_number(values: pd.Series) -> bool:
    """Return whether a column is of numbers, truth values not among them."""
    return pd.api.types.is_numeric_dtype(values.infer_objects()) and not is_bool(values)


def is_bool(values: pd.Series) -> bool:
    """Return whether a column is of truth values."""
    return bool(values.map(lambda value: isinstance(value, bool | np.bool_)).any())
