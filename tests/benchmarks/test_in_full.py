import json
import sys

import psutil
import pytest

from benchmarks import in_full
from benchmarks.in_full import (
    METHODS,
    OURS,
    PEERS,
    Search,
    Store,
    compared,
    course,
    figures,
    least_fid,
    prepared,
    running,
    space_file,
    time_ratio,
)
from sweeps.spec.reading import load_spec


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_this_projects_searches_have_the_recorded_space(tmp_path, methods):
    file = tmp_path / "space.yaml"
    file.write_text(json.dumps(space_file(*methods, seed=7)))
    spec = load_spec(file)
    assert spec.seed == 7
    assert (spec.method, spec.early_terminate.type) == methods
    assert {"noise_dim", "lr", "beta1", "leaky_slope"} <= spec.parameters.keys()


@pytest.mark.parametrize("name", PEERS)
def test_the_fids_of_a_peer_are_read_from_its_complete_lines(tmp_path, name):
    (tmp_path / "stdout").write_text("Tune has started\n1234.5\n99.25\n88.")
    assert prepared(name, 0, tmp_path).fids() == [1234.5, 99.25]


def test_an_interrupted_search_leaves_no_process(tmp_path, monkeypatch):
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
    )
    monkeypatch.setattr("benchmarks.in_full.PATIENCE_S", 0.5)
    with running(Search([sys.executable, "-c", stubborn], list), tmp_path) as process:
        while not process.children():
            assert process.poll() is None
        (child,) = process.children()
    assert not process.is_running()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_searches_are_compared_at_the_lowest_fid_that_both_reached():
    ours, theirs = [(10.0, 900.0), (20.0, 400.0), (60.0, 100.0)], [(50.0, 950.0), (300.0, 350.0)]
    assert time_ratio(ours, theirs) == 300 / 60
    assert time_ratio(theirs, ours) == 60 / 300


def test_rounds_are_compared_in_pairs():
    ours = [[(10.0, 100.0)], [(20.0, 400.0)], [(30.0, 200.0)]]
    theirs = [[(10.0, 900.0)], [(10.0, 200.0)], [(10.0, 1400.0)]]
    found = {figure.name: figure for figure in compared(485, {OURS: ours, "Optuna": theirs}, 1)}
    ratio = found["times as high a lowest fid by Optuna"]
    assert (ratio.measured, ratio.spread, ratio.asked) == (7, (0.5, 9), 6)
    assert found["rounds lost to Optuna"].measured == 1
    mean = found["geometric mean of these ratios, Optuna (spread: 95 % interval)"]
    assert mean.measured == pytest.approx((9 * 0.5 * 7) ** (1 / 3))
    assert mean.spread[0] < 0.5 < 9 < mean.spread[1]
    assert found["this project's lowest fid"].measured == 200
    assert found["its lowest fid after 1 min"].peers == {"Optuna": 900}


def test_a_later_command_continues_the_rounds_of_an_earlier_one(tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(in_full, "defaults_fid", lambda: 900.0)
    monkeypatch.setattr(in_full, "course", lambda *asked: ran.append(asked) or [(1.0, 100.0 + len(ran))])
    store = Store(tmp_path / "searches.jsonl")
    (earlier,) = figures(["Optuna"], 7, 1, store)
    *_, later = figures(["Optuna"], 7, 2, store)
    assert ran == [(name, seed, 420) for seed in (0, 1) for name in (OURS, "Optuna")]
    assert (earlier[0].measured, later[0].measured) == (101, 102)
    assert not store.read(minutes=10)


def test_the_lowest_fid_is_the_lowest_up_to_a_time():
    course = [(10.0, 900.0), (20.0, 400.0)]
    assert [least_fid(course, until_s) for until_s in (5, 15, 25)] == [float("inf"), 900, 400]


@pytest.mark.parametrize(
    ("code", "limit_s", "message"),
    [
        ("import time; time.sleep(60)", 1, "has reported no fid after 1 s"),
        ("raise SystemExit('no disk')", 60, "no disk"),
    ],
)
def test_a_search_without_a_fid_raises_an_error(monkeypatch, code, limit_s, message):
    search = Search([sys.executable, "-c", code], list)
    monkeypatch.setattr(in_full, "prepared", lambda *_: search)
    with pytest.raises(RuntimeError, match=message):
        course(OURS, 0, limit_s)
