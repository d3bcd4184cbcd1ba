import pandas as pd
import pytest

from sweeps.analysis.where import matching
from sweeps.errors import SweepError

FRAME = pd.DataFrame(
    {
        "loss": ["bce", "lsgan", "hinge"],
        "lr": [1e-4, 1e-3, None],
        "steps": pd.array([10, 20, None], dtype="Int64"),
        "spectral_norm": [True, False, True],
    }
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("loss == 'lsgan'", [1]),
        ("loss != 'lsgan'", [0, 2]),
        ("loss in ['bce', 'hinge']", [0, 2]),
        ("loss not in ('bce', 'hinge')", [1]),
        ("lr < 1e-3", [0]),
        ("1e-4 < lr <= 1e-3", [1]),
        ("lr > -1 and not loss == 'bce'", [1]),
        ("loss == 'bce' or steps == 20", [0, 1]),
        ("lr == None", [2]),
        ("steps != None", [0, 1]),
        ("steps != 10", [1, 2]),
        ("steps < 20", [0]),
        ("spectral_norm", [0, 2]),
        ("not spectral_norm", [1]),
        ("spectral_norm == True", [0, 2]),
    ],
)
def test_a_condition_selects_these_rows(condition, expected):
    assert FRAME.index[matching(FRAME, condition)].tolist() == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("los == 'bce'", "no column 'los'; allowed: loss, lr, steps, spectral_norm; did you mean 'loss'?"),
        ("loss < 3", "cannot be ordered: one of them is text"),
        ("lr + 1 > 2", "lr + 1 is neither a column nor a value; columns: loss, lr"),
        ("1 < 2", "1 and 2 contain no column"),
        ("loss in 'bce'", "a list on its right"),
        ("'b' in loss", "a column on its left"),
        ("lr is None", "a condition compares"),
        ("lr < None", "None can be compared by == and != only"),
        ("loss", "loss is not a condition"),
        ("loss ==", "not understood"),
        ("", "not understood"),
        ("(" * 500 + "lr" + ")" * 500, "not understood"),
        ("lr == 1 or " * 200 + "lr == 2", "longer than 2,000 characters"),
    ],
)
def test_an_invalid_condition_is_refused_with_what_is_allowed(condition, message):
    with pytest.raises(SweepError) as refused:
        matching(FRAME, condition)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')",
        "@open('x')",
        "loss.str.len() == 3",
        "loss.values.tofile('x') == 1",
        "lr[0] == 1",
        "(lambda: 1) == lr",
        "[x for x in loss] == loss",
        "f'{lr}' == loss",
        "(y := 3) == lr",
        "loss in [lr]",
        "lr == 1j",
    ],
)
def test_code_is_refused(condition):
    with pytest.raises(SweepError, match=r"^--where"):
        matching(FRAME, condition)
