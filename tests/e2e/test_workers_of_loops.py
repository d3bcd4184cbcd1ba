"""What a user's training loop leaves behind in its worker."""

import psutil
import pytest

import sweeps

SPEC = {
    "name": "leaving",
    "train": "tests.e2e.loops_with_children:train",
    "method": "random",
    "trials": 3,
    "parameters": {
        "gamma": {"distribution": "uniform", "min": 0.5, "max": 2.0},
        "steps": 10,
        "report_every": 5,
        "eval_samples": 200,
        "final_samples": 200,
    },
    "early_terminate": {"type": "none"},
    "resources": {"cpu": 2, "gpu": 0},
}


def is_running(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("is_fresh", [False, True])
def test_processes_are_ended_flags_restored_and_workers_fresh_if_asked_for(tmp_path, monkeypatch, is_fresh):
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    most = []

    def noted():
        lines = (tmp_path / "notes").read_text(encoding="utf-8").splitlines()
        return [line.split() for line in lines]

    def children():
        return [int(pid) for line in noted() for pid in line[4:]]

    def on_report(*_report):
        most.append(sum(map(is_running, children())))

    spec = SPEC | {"fresh_worker": is_fresh}
    sweep = sweeps.run(spec, results=tmp_path, allow_imports=True, quiet=True, on_report=on_report)
    assert sweep.count("completed") == 3
    trained = [line for line in noted() if line[0] == "10"]
    assert len({pid for _, pid, *_ in trained}) == (3 if is_fresh else 1)
    assert [n_earlier for _, _, n_earlier, *_ in trained] == (["0"] * 3 if is_fresh else ["0", "1", "2"])
    assert {is_enabled for *_, is_enabled, _, _ in noted()} == {"True"}
    assert len(children()) == 2 * len(noted())
    assert max(most) <= 2
    assert not any(map(is_running, children()))
