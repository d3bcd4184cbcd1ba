"""Filter rows by a condition, which can compare columns with values and nothing else."""

import ast
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import pandas as pd

from gan_core.errors import allowed_and_closest
from sweeps.errors import SweepError

LONGEST = 2000
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
GRAMMAR = "a condition compares columns with values (== != < <= > >= in), joined by and, or, not"


def matching(frame: pd.DataFrame, condition: str) -> pd.Series:
    """Return which rows fulfil a condition: ``loss == 'lsgan' and lr < 1e-3``.

    A row without a value fulfils ``!=`` and ``not in``, and no other comparison; ``== None`` finds it.

    Raises:
        SweepError: The condition is invalid, or names an unknown column; the message lists what is allowed.
    """
    if len(condition) > LONGEST:
        raise SweepError(f"--where: longer than {LONGEST:,} characters")
    try:
        return _rows(ast.parse(condition.strip(), mode="eval").body, frame)
    except SweepError as error:
        raise SweepError(f"--where {condition}: {error}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SweepError(f"--where {condition}: not understood; {GRAMMAR}") from None


def _rows(node: ast.expr, frame: pd.DataFrame) -> pd.Series:
    match node:
        case ast.BoolOp(op=ast.And(), values=parts):
            return reduce(operator.and_, (_rows(part, frame) for part in parts))
        case ast.BoolOp(values=parts):
            return reduce(operator.or_, (_rows(part, frame) for part in parts))
        case ast.UnaryOp(op=ast.Not(), operand=part):
            return ~_rows(part, frame)
        case ast.Compare(left=left, ops=ops, comparators=others):
            found = pd.Series(data=True, index=frame.index)
            for first, op, second in zip([left, *others], ops, others, strict=False):
                found = found & _compared(first, op, second, frame)
            return found
        case ast.Name() | ast.Attribute():
            column = _column(ast.unparse(node), frame)
            if column.dropna().isin([True, False]).all():
                return column.fillna(value=False).astype(bool)
    raise SweepError(f"{ast.unparse(node)} is not a condition; {GRAMMAR}")


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr, frame: pd.DataFrame) -> pd.Series:
    first, second = _operand(left, frame), _operand(right, frame)
    if not isinstance(first, pd.Series) and not isinstance(second, pd.Series):
        raise SweepError(f"{ast.unparse(left)} and {ast.unparse(right)} contain no column; {_known(frame)}")
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(first, pd.Series) or not isinstance(second, list):
            raise SweepError(
                "in needs a column on its left and a list on its right: loss in ['bce', 'lsgan']"
            )
        found = first.isin(second)
        return found if isinstance(op, ast.In) else ~found
    compare = _COMPARISONS.get(type(op))
    if compare is None or isinstance(first, list) or isinstance(second, list):
        raise SweepError(GRAMMAR)
    if first is None or second is None:
        return _missing(second if first is None else first, op)
    try:
        found = pd.Series(compare(first, second), index=frame.index)
        return found.fillna(value=isinstance(op, ast.NotEq)).astype(bool)
    except TypeError:
        raise SweepError(
            f"{ast.unparse(left)} and {ast.unparse(right)} cannot be ordered: one of them is text"
        ) from None


def _missing(column: "pd.Series", op: ast.cmpop) -> pd.Series:
    if isinstance(op, ast.Eq):
        return column.isna()
    if isinstance(op, ast.NotEq):
        return column.notna()
    raise SweepError("None can be compared by == and != only")


def _operand(node: ast.expr, frame: pd.DataFrame) -> Any:  # noqa: ANN401 - a column or a literal
    match node:
        case ast.Name() | ast.Attribute():
            return _column(ast.unparse(node), frame)
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            values = [_operand(part, frame) for part in parts]
            if not any(isinstance(value, pd.Series | list) for value in values):
                return values
    raise SweepError(f"{ast.unparse(node)} is neither a column nor a value; {_known(frame)}")


def _column(name: str, frame: pd.DataFrame) -> pd.Series:
    if name not in frame.columns:
        raise SweepError(f"no column {name!r}; {allowed_and_closest(name, map(str, frame.columns))}")
    column: pd.Series = frame[name]
    return column


def _known(frame: pd.DataFrame) -> str:
    return f"columns: {', '.join(map(str, frame.columns))}"
