"""What the scores of a sweep are measured with, from the record to each place that shows a score."""

import pytest

import sweeps
from gan_core.accuracy import Accuracy
from sweeps.analysis.verdict import verdict
from sweeps.cli.printing import print_leaderboard
from sweeps.record.yardstick import Floors, accuracy_of, floors_of
from sweeps.report.page import render
from tests.sweeps.ledgers import write_confirmation, write_search

FACTS = {
    "accuracy": {"share": 0.4, "chance": 0.1, "images": 1000},
    "floors_by_samples": {
        "200": {"images": 200, "scores": {"fid": 20.0}},
        "1000": {"images": 800, "scores": {"fid": 9.0}},
    },
    "warnings": ["the classifier is weak"],
}


def test_a_record_has_the_floor_beside_each_number_of_samples():
    assert floors_of(FACTS, 200) == Floors({"fid": 20.0}, 200)
    assert not floors_of(FACTS, 200).is_of_fewer(200)
    assert floors_of(FACTS, 1000).is_of_fewer(1000)
    assert accuracy_of(FACTS) == Accuracy(0.4, 0.1, 1000)


def test_a_record_of_an_earlier_version_has_one_floor_of_unknown_images():
    assert floors_of({"floors": {"fid": 7.0}}, 200) == Floors({"fid": 7.0}, None)
    assert not floors_of({"floors": {"fid": 7.0}}, 200).is_of_fewer(200)
    assert floors_of({}, 200) is None
    assert accuracy_of({}) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_search(tmp_path_factory.mktemp("results"), 50.0, 30.0, facts=FACTS)


@pytest.fixture(scope="module")
def sweep(folder):
    return sweeps.load(folder.name, folder.parent)


def test_every_table_has_the_floor_of_as_many_images(sweep):
    ranked = sweep.rank()
    assert ranked["floor"].tolist() == [9.0, 9.0]
    assert ranked["floor_images"].tolist() == [800, 800]
    summary = sweep.summary()
    assert (summary["fid_floor"], summary["floor_images"]) == (9.0, 800)
    assert summary["accuracy"] == FACTS["accuracy"]


def test_rank_prints_the_floors_and_the_accuracy(sweep, capsys):
    print_leaderboard(sweep, sweep.rank(), None, None, None, "gan-sweep rank tiny")
    assert (
        "fid, lower is better; real images score 9 (800 images, all); by a classifier of 40.0 % accuracy"
        in capsys.readouterr().out
    )


def test_the_verdict_and_the_report_say_what_scores_are_measured_with(sweep):
    assert "; all 800 real images score 9" in verdict(sweep)
    page = render(sweep)
    assert "scored by a classifier of 40.0 % accuracy" in page
    assert "Warning: the classifier is weak." in page


def test_a_confirmation_has_the_floor_of_its_final_samples(tmp_path):
    folder = write_search(tmp_path, 50.0, 30.0, facts=FACTS)
    confirmed = write_confirmation(folder, {"tiny-0001": [30.0, 31.0], "tiny-0000": [50.0, 52.0]})
    ranked = confirmed.rank(stage="confirm")
    assert ranked["floor"].tolist() == [9.0, 9.0]
    assert ranked["floor_images"].tolist() == [800, 800]
