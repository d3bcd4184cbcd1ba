"""An MLflow server is killed while the real command runs a sweep."""

import subprocess

import pytest

import sweeps
from sweeps.record.reading import read_ledger
from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync
from tests.e2e.commands import COMMAND, gan_sweep, n_reports
from tests.servers import free_port, make_tables, server, wait_until
from tests.sweeps.tracking.records import content

pytestmark = pytest.mark.tracking

SPEC = """\
name: tiny
trials: 3
parameters:
  lr: {distribution: log_uniform_values, min: 1e-4, max: 1e-2}
  steps: 100
  report_every: 10
  eval_samples: 500
  final_samples: 500
confirm: {top: 1, seeds: 2}
"""


@pytest.mark.slow
def test_a_sweep_survives_the_kill_of_its_server_and_sync_uploads_the_rest(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    port, results = free_port(), tmp_path / "results"
    uri = f"http://me:not-to-be-read@127.0.0.1:{port}"
    with server(tmp_path, port):
        running = subprocess.Popen(
            [COMMAND, "spec.yaml", "--tracking-uri", uri],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: n_reports(tmp_path, "tiny") >= 5, at_most_s=120)
    out, err = running.communicate(timeout=200)
    assert running.returncode == 0, err
    sweep = sweeps.load("tiny", results)
    assert sweep.summary()["confirmation"]["status"] == "completed"
    assert err.count(f"MLflow at http://127.0.0.1:{port} ") == 1
    assert "gan-sweep sync tiny --tracking-uri URI (with user and password, if the server asks" in err
    written = [out, err, *(file.read_bytes().decode("latin-1") for file in results.rglob("*.*"))]
    assert not any("not-to-be-read" in text for text in written)

    make_tables(tmp_path / "mlflow.db")
    beside = Store.beside(tmp_path)
    assert sync(read_ledger("tiny", results).folder, beside) == {}
    with server(tmp_path, port):
        done = gan_sweep("sync", "tiny", "--tracking-uri", uri, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        store = Store.chosen(results, uri)
        assert len(content(store)) == 1 + len(sweep.trials) + len(sweep.replicas)
        assert content(store) == content(beside)
