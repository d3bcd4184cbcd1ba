"""What a resumed sweep may change."""

import pytest

from sweeps.driver.runner import _changed_spec
from sweeps.errors import SpecError
from sweeps.spec.overrides import parse_setting
from sweeps.spec.reading import load_spec
from tests.sweeps.specs import GOOD, write


@pytest.fixture
def recorded(tmp_path):
    return load_spec(write(tmp_path, GOOD)).model_dump(mode="json") | {"time_budget": 60.0}


def test_a_resumed_sweep_changes_what_does_not_change_its_scores(recorded):
    settings = [parse_setting(text) for text in ("resources.cpu=2", "confirm.top=1", "retries=5")]
    spec, changed = _changed_spec("tiny", recorded, settings)
    assert (spec.resources.cpu, spec.confirm.top, spec.retries, spec.time_budget) == (2, 1, 5, None)
    assert changed.keys() == {"resources", "confirm", "retries", "time_budget"}
    assert changed["resources"] == {"cpu": 2, "gpu": "auto"}


def test_without_changes_only_the_time_budget_is_over(recorded):
    spec, changed = _changed_spec("tiny", recorded, [])
    assert changed == {"time_budget": None}
    assert spec.model_dump(mode="json") == recorded | {"time_budget": None}


def test_what_is_searched_cannot_be_changed(recorded):
    with pytest.raises(
        SpecError, match=r"--set parameters.lr.max=1: resume cannot change parameters; allowed: "
    ):
        _changed_spec("tiny", recorded, [parse_setting("parameters.lr.max=1")])


def test_a_change_has_the_faults_of_a_file(recorded):
    with pytest.raises(SpecError, match=r"--set retries=-1: retries is -1"):
        _changed_spec("tiny", recorded, [parse_setting("retries=-1")])


def test_a_resumed_sweep_may_have_another_trial_timeout(recorded):
    spec, changed = _changed_spec("tiny", recorded, [parse_setting("trial_timeout=10m")])
    assert (spec.trial_timeout, changed["trial_timeout"]) == (600.0, 600.0)
