import numpy as np
import pandas as pd
import pytest

from benchmarks.recordings import FOLDER, read, recording
from benchmarks.replicas import save, table
from benchmarks.worlds import SPREAD, WORLDS
from gan_core import TrialConfig

STEPS = [250, 500, 750, 1000, 1250, 1500, 1750, 2000]


def rows(configuration, fids, diverged=False, seed=0):
    params = SPREAD["mlp-2000"].configurations(configuration + 1)[configuration] | {"report_every": 250}
    config = TrialConfig.model_validate(params | {"seed": seed}).model_dump(
        exclude_none=True, exclude={"precision"}
    )
    shared = {"world": "mlp-2000", "configuration": configuration, "diverged": diverged, **config}
    return [shared | {"step": step, "fid": fid} for step, fid in fids] or [shared | {"step": 0}]


def test_the_worst_fid_replaces_missing_reports_of_diverged_trainings(tmp_path):
    whole = [(step, 100.0 + step) for step in STEPS]
    content = [*rows(0, whole), *rows(1, [(250, 50.0)], diverged=True), *rows(2, [], diverged=True)]
    save(table(content), tmp_path / "trials.parquet")
    found = recording(["mlp-2000"], 8, tmp_path)
    assert found.n_diverged == 2
    assert np.exp(found.curves[1, :2]) == pytest.approx([50, 2100])
    assert np.exp(found.curves[2]) == pytest.approx(np.full(8, 2100))
    assert np.exp(found.least) == pytest.approx(50)


def test_reports_are_thinned_out_and_never_made_up(tmp_path):
    save(table(rows(0, [(step, float(step)) for step in STEPS])), tmp_path / "trials.parquet")
    assert np.exp(recording(["mlp-2000"], 4, tmp_path).curves[0]) == pytest.approx(STEPS[1::2])
    with pytest.raises(ValueError, match="do not divide"):
        recording(["mlp-2000"], 3, tmp_path)


def test_seeds_of_a_configuration_are_averaged_and_tables_are_joined(tmp_path):
    for seed, fid in enumerate([100.0, 400.0]):
        content = rows(0, [(step, fid) for step in STEPS], seed=seed)
        save(table(content), tmp_path / f"{seed}.parquet")
    save(table(content), tmp_path / "again.parquet")
    _, means, members = recording(["mlp-2000"], 8, tmp_path).means()
    assert np.exp(means) == pytest.approx(np.full((1, 8), 200.0))
    assert [len(each) for each in members] == [2]


def test_the_committed_tables_are_small_and_documented():
    files = sorted(FOLDER.glob("*.parquet"))
    assert {file.name for file in files} == {
        "averaged.parquet",
        "cifar10.parquet",
        "replicas.parquet",
        "trials.parquet",
    }
    assert sum(file.stat().st_size for file in files) < 3e6
    page = (FOLDER / "README.md").read_text()
    for file in files:
        found = pd.read_parquet(file)
        assert set(found["world"]) <= set(WORLDS)
        known = {*TrialConfig.model_fields}
        assert all(f"`{column}`" in page for column in found if column not in known)


@pytest.mark.parametrize(("world", "n"), [("mlp-2000", 200), ("mlp-lsgan-4000", 64)])
def test_the_recorded_configurations_are_those_of_the_world(world, n):
    firsts = read([world]).drop_duplicates(["configuration"]).sort_values("configuration")
    expected = WORLDS[world].configurations(n)
    names = [*WORLDS[world].space]
    assert firsts[names].to_dict("records") == [{name: each[name] for name in names} for each in expected]
    assert n == len(firsts)


def test_configurations_lie_in_the_space_and_do_not_depend_on_their_number():
    world = SPREAD["mlp-2000"]
    configurations = world.configurations(64)
    assert configurations == world.configurations(128)[:64]
    assert all(d.contains(each[name]) for each in configurations for name, d in world.space.items())
    assert sum(each["loss"] == "bce" for each in configurations) == 32
