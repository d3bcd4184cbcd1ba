"""Several sweeps in one table."""

import pytest

import sweeps
from sweeps.errors import SweepError
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from tests.sweeps.ledgers import CONFIG, write_search


def test_several_sweeps_are_one_frame(tmp_path):
    write_search(tmp_path, 400.0, 100.0, name="a")
    write_search(tmp_path, 300.0, 90.0, name="b")
    both = sweeps.load(["a", "b"], tmp_path)
    assert both.rank()["trial_id"].tolist() == ["b-0001", "a-0001", "b-0000", "a-0000"]
    assert both.rank()["rank"].tolist() == [1, 2, 3, 4]
    assert both.rank(top=1)["sweep"].tolist() == ["b"]
    assert both.trials["sweep"].tolist() == ["a", "a", "b", "b"]
    assert both.history["fid"].tolist() == [400.0, 100.0, 300.0, 90.0]
    assert both.rank(where="lr > 0.15")["trial_id"].tolist() == ["b-0001", "a-0001"]


@pytest.mark.parametrize(
    ("spec", "extractor", "message"),
    [
        ({"dataset": "kmnist"}, "sha256:0", r"dataset differs \(a mnist-5k, b kmnist\)"),
        ({}, "sha256:1", r"extractor differs \(a sha256:0, b sha256:1\)"),
    ],
)
def test_sweeps_with_incomparable_scores_are_not_compared(tmp_path, spec, extractor, message):
    write_search(tmp_path, 400.0, name="a")
    folder = write_search(tmp_path, 300.0, name="b", spec=spec)
    ledger = Ledger(folder, {"dataset": "mnist-5k"} | spec)
    ledger.describe({"extractor": extractor})
    ledger.close(Status.COMPLETED)
    with pytest.raises(SweepError, match=message):
        sweeps.load(["a", "b"], tmp_path)


IMAGES = {"sha256": "157b51f96f53", "train": 64, "held_out": 16}


@pytest.mark.parametrize(
    ("spec", "images", "message"),
    [
        ({"dataset": "folder:/a"}, IMAGES, None),
        ({}, IMAGES | {"sha256": "e95b5d9e0000"}, r"images differ \(a 64 .*\(sha256:157b51f9\), b 64 .*"),
    ],
)
def test_equal_images_are_compared_wherever_they_lie_and_others_never(tmp_path, spec, images, message):
    for name, its_spec, its_images in (("a", {}, IMAGES), ("b", spec, images)):
        folder = write_search(tmp_path, 400.0, name=name, spec=its_spec)
        ledger = Ledger(folder, {})
        ledger.describe({"images": its_images})
        ledger.close(Status.COMPLETED)
    if message is None:
        assert len(sweeps.load(["a", "b"], tmp_path).trials) == 2
        return
    with pytest.raises(SweepError, match=message):
        sweeps.load(["a", "b"], tmp_path)


def test_folders_that_were_split_by_different_rules_are_not_compared(tmp_path):
    by_content = {"images": IMAGES | {"split": "content-1"}}
    for name, facts in (("a", {}), ("b", by_content), ("c", by_content)):
        folder = write_search(tmp_path, 400.0, name=name, spec={"dataset": "folder:/photos"})
        ledger = Ledger(folder, {})
        ledger.describe({"extractor": "sha256:0"} | facts)
        ledger.close(Status.COMPLETED)
    assert len(sweeps.load(["b", "c"], tmp_path).trials) == 2
    with pytest.raises(SweepError, match=r"split differs \(a by place, b content-1\)"):
        sweeps.load(["a", "b"], tmp_path)


def test_sweeps_with_different_metrics_are_ranked_by_a_given_one(tmp_path):
    write_search(tmp_path, 400.0, name="a")
    write_search(tmp_path, 300.0, name="b", spec={"metric": [{"name": "kid", "goal": "minimize"}]})
    both = sweeps.load(["a", "b"], tmp_path)
    with pytest.raises(SweepError, match="different metrics: fid, kid; choose one with --by METRIC"):
        both.rank()
    assert both.rank(by="kid")["sweep"].tolist() == ["b", "a"]


def test_trials_without_a_score_come_after_those_that_break_a_constraint(tmp_path):
    for name in "ab":
        folder = write_search(tmp_path, 500.0, 100.0, name=name, spec={"constraints": ["kid >= 20"]})
        ledger = Ledger(folder, {})
        ledger.start(Trial(f"{name}-0002", 2, {"lr": 0.3}, CONFIG | {"seed": 2}, is_baseline=False))
        ledger.end(f"{name}-0002", Status.CRASHED, "ValueError: lr")
        ledger.close(Status.COMPLETED)
    board = sweeps.load(["a", "b"], tmp_path).rank()
    assert board["trial_id"].str[-1].tolist() == ["0", "0", "1", "1", "2", "2"]
    assert board["rank"].dropna().tolist() == [1, 2, 3, 4]


def test_a_further_seed_that_breaks_a_constraint_stays_beside_its_configuration(tmp_path):
    for name in "ab":
        further = [(1, 210.0), (1, 150.0)]
        write_search(tmp_path, 500.0, 220.0, name=name, spec={"constraints": ["kid >= 20"]}, further=further)
    board = sweeps.load(["a", "b"], tmp_path).rank()
    assert board["rank"].tolist() == [1, 1, 1, 2, 2, 2, 3, 4]
