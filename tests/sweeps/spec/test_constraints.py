import pytest

from sweeps.errors import SpecError
from sweeps.spec.constraints import Constraint, are_met
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("'copies<=5e-2'", ["copies <= 0.05"]),
        ("[copies <= 0.05, 'recall  >=  0.3', copies<=0.050]", ["copies <= 0.05", "recall >= 0.3"]),
    ],
)
def test_constraints_are_read_with_or_without_spaces(tmp_path, typed, read):
    assert load_spec(write(tmp_path, f"constraints: {typed}\n{GOOD}")).constraints == read


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("[copies < 0.05]", "1:15: .*expected METRIC <= NUMBER or METRIC >= NUMBER, for example copies <= 0"),
        ("[copies <= few]", "1:15: .*expected METRIC <= NUMBER"),
        ("[copies <= nan]", "1:15: .*expected METRIC <= NUMBER"),
        ("['__import__(\"os\").abort() <= 1']", "1:15: .*expected METRIC <= NUMBER"),
        ("[copies <= 0.1, recall => 0.5]", "1:30: constraint 'recall => 0.5': .*; type >= instead of =>$"),
        (
            "[recall >= 1.5]",
            "1:15: no trial can meet recall >= 1.5: recall lies between 0 and 1; type a bound",
        ),
        ("[copies <= -1]", "1:15: no trial can meet copies <= -1: copies lies between 0 and 1"),
        ("[fid <= 3, fid >= 4]", "1:25: no trial can meet both fid <= 3 and fid >= 4: change one of the"),
        ("[copys <= 0.05]", "1:15: unknown metric 'copys'; allowed: .*; did you mean 'copies'?"),
    ],
)
def test_each_fault_names_its_place_and_the_rule(tmp_path, typed, message):
    with pytest.raises(SpecError, match=message):
        load_spec(write(tmp_path, f"constraints: {typed}\n{GOOD}"))


def test_a_malformed_constraint_does_not_hide_the_unknown_metric_of_another(tmp_path):
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, f"constraints: [copies < 0.1, copys <= 0.1]\n{GOOD}"))
    assert "type <= instead of <" in str(caught.value)
    assert "unknown metric 'copys'" in str(caught.value)


def test_a_training_loop_may_report_metrics_of_its_own(tmp_path):
    text = "name: mine\ntrain: tests.gan_core.loops_with_parameters:train\nconstraints: [mean_loss <= 3]\n"
    spec = load_spec(write(tmp_path, f"{text}parameters: {{gamma: {{min: 0.1, max: 9.0}}}}\n"))
    assert spec.constraints == ["mean_loss <= 3"]


def test_a_broken_constraint_decides_whatever_the_others_are():
    two = [Constraint.parse("copies <= 0.05"), Constraint.parse("recall >= 0.3")]
    assert are_met(two, {"copies": 0.05, "recall": 0.3}) is True
    assert are_met(two, {"copies": 0.06}) is False
    assert are_met(two, {"copies": 0.01}) is None
    assert are_met(two, {"copies": 0.01, "recall": float("nan")}) is None
    assert are_met([], {}) is True
