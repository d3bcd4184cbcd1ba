import pytest

from sweeps.driver.best_weights import BestWeights
from sweeps.errors import SweepError
from sweeps.record.layout import weights_file
from sweeps.record.ledger import Ledger
from sweeps.record.past import Past
from sweeps.record.reading import read_ledger
from sweeps.record.status import Status
from sweeps.report.page import try_to_write_report
from sweeps.spec.model import SweepSpec
from tests.sweeps.ledgers import write_search, write_sweep


def test_a_report_page_that_cannot_be_written_is_no_error_of_the_sweeps(tmp_path):
    folder = write_sweep(tmp_path)
    assert try_to_write_report(folder) is None
    (folder / "report.html").unlink()
    (folder / "report.html").mkdir()
    assert isinstance(try_to_write_report(folder), SweepError)


def kept_of(results, *, confirmed=(), later=(), **spec):
    """Return which generators are kept of a resumed sweep of five trials, the better the later."""
    folder = write_search(results, 500.0, 400.0, 300.0, 200.0, 100.0)
    if confirmed:
        Ledger(folder, {}, {"settings": {}, "finalists": list(confirmed)}).close(Status.COMPLETED)
    (folder / "weights").mkdir(exist_ok=True)
    names = [*(f"tiny-{number:04d}" for number in range(5)), *later]
    for name in names:
        weights_file(folder, name).touch()
    content = {"name": "tiny", "parameters": {"lr": {"min": 0.1, "max": 0.9}}} | spec
    record = read_ledger("tiny", results)
    for row in record.trials:
        row["final"]["recall"] = row["final"]["fid"]
    best = BestWeights(folder, SweepSpec.model_validate(content), Past.read(record))
    for number, name in enumerate(later):
        best.add(name, {"fid": 50.0 - number}, is_baseline=False)
    return sorted(file.stem.removeprefix("tiny-") for file in (folder / "weights").iterdir())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"keep": 2}, ["0000", "0003", "0004"]),
        ({"keep": 2, "metric": [{"name": "recall"}]}, ["0000", "0001", "0002"]),
        ({"keep": 1, "confirm": {"top": 3}}, ["0000", "0002", "0003", "0004"]),
        ({"keep": 3, "confirm": {"top": 1}}, ["0000", "0002", "0003", "0004"]),
        ({"keep": 0, "confirm": {"top": 3}}, []),
        ({"keep": 2, "constraints": ["kid >= 25"]}, ["0000", "0001", "0002"]),
    ],
)
def test_the_generators_of_the_best_and_of_the_defaults_are_kept(tmp_path, spec, expected):
    assert kept_of(tmp_path, **spec) == expected


def test_better_trials_that_come_later_do_not_drop_finalists(tmp_path):
    kept = kept_of(tmp_path, keep=2, confirmed=["tiny-0003", "tiny-0000"], later=["a", "b", "c"])
    assert kept == ["0000", "0003", "b", "c"]


def test_a_final_score_that_was_not_finite_in_an_earlier_version_keeps_no_generator(tmp_path):
    folder = write_search(tmp_path, 500.0, 400.0)
    past = Past.read(read_ledger("tiny", tmp_path))
    past.rows[1]["final"]["fid"] = None
    content = {"name": "tiny", "parameters": {"lr": {"min": 0.1, "max": 0.9}}, "keep": 1}
    best = BestWeights(folder, SweepSpec.model_validate(content), past)
    (folder / "weights").mkdir(exist_ok=True)
    weights_file(folder, "later").touch()
    best.add("later", {"fid": 900.0}, is_baseline=False)
    assert weights_file(folder, "later").exists()


def test_the_generators_of_the_best_configurations_by_means_are_kept_with_all_their_seeds(tmp_path):
    further = ((1, 390.0), (2, 110.0), (1, 380.0), (2, 105.0), (3, None))
    folder = write_search(tmp_path, 500.0, 90.0, 100.0, 300.0, 400.0, further=further)
    (folder / "weights").mkdir(exist_ok=True)
    past = Past.read(read_ledger("tiny", tmp_path))
    for row in past.rows:
        if row["final"]:
            weights_file(folder, row["trial_id"]).touch()
    content = {"name": "tiny", "parameters": {"lr": {"min": 0.1, "max": 0.9}}, "trials": 12, "keep": 1}
    spec = SweepSpec.model_validate(content | {"early_terminate": {"seeds": 3}})
    best = BestWeights(folder, spec, past)
    name, mean, seeds = best.leader()
    assert (name, seeds, 100 < mean < 112) == ("tiny-0002", 3, True)
    before = kept_in(folder)
    best.settle()
    assert {"0001", "0002", "0003"} <= {*before}
    assert kept_in(folder) == ["0000", "0002", "0006", "0008"]


def kept_in(folder):
    return sorted(file.stem.removeprefix("tiny-") for file in (folder / "weights").iterdir())
