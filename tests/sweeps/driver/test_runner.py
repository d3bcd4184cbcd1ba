"""What commands ask of a sweep, before it runs."""

import pytest

from gan_core.config import TrialConfig
from sweeps.driver import runner
from sweeps.driver.request import Request
from sweeps.driver.runner import _changed_spec, confirm_sweep, execute, resume_sweep
from sweeps.errors import SpecError, SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.reading import check_unchanged
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.overrides import parse_setting
from sweeps.spec.reading import load_spec
from sweeps.spec.sections import Confirm
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


def test_a_name_that_no_folder_may_have_is_refused(recorded, tmp_path):
    with pytest.raises(SpecError, match="--name my sweep: "):
        execute(load_spec(recorded), Request(tmp_path), name="my sweep")
    assert {path.name for path in tmp_path.iterdir()} == {"spec.yaml"}


@pytest.fixture
def confirmed(recorded, tmp_path, monkeypatch):
    """A sweep whose search and confirmation have ended; commands return their plan and run nothing."""
    folder = create_sweep_folder(tmp_path, "tiny", exact=True)
    search = Ledger(folder, recorded)
    for number in range(recorded["trials"]):
        config = TrialConfig(seed=number).model_dump()
        trial = Trial(f"tiny-{number:04d}", number, {"lr": 0.1}, config, is_baseline=number == 0)
        search.start(trial)
        search.report(trial.trial_id, 20, {"fid": 9.0}, 9.0)
        search.end(trial.trial_id, Status.COMPLETED, final={"fid": 9.0})
    search.close(Status.COMPLETED)
    confirmation = {"settings": Confirm(seeds=3).model_dump(), "finalists": ["tiny-0000"]}
    Ledger(folder, recorded, confirmation).close(Status.COMPLETED)
    monkeypatch.setattr(runner, "_run", lambda plan, _request: plan)
    return folder


def test_a_resumed_sweep_is_confirmed_as_the_command_asks(confirmed, tmp_path):
    plan = resume_sweep("tiny", Request(tmp_path), [parse_setting("confirm.seeds=5")])
    assert (plan.searches, plan.confirm.seeds) == (False, 5)


def test_a_confirmation_uses_what_resume_changed_and_then_the_options(confirmed, recorded, tmp_path):
    change = {"command": "resume", "confirm": Confirm(top=1, seeds=5).model_dump()}
    Ledger(confirmed, recorded, change=change).close(Status.COMPLETED)
    plan = confirm_sweep("tiny", {"top": 2, "seeds": None}, Request(tmp_path))
    assert (plan.confirm.top, plan.confirm.seeds) == (2, 5)


def test_a_plan_is_void_once_another_process_has_run_the_sweep(confirmed, recorded, tmp_path):
    plan = resume_sweep("tiny", Request(tmp_path), [parse_setting("trials=9")])
    check_unchanged(plan.record)
    Ledger(confirmed, recorded).close(Status.COMPLETED)
    with pytest.raises(SweepError, match=r"another process has run tiny since .*: type it again"):
        check_unchanged(plan.record)
