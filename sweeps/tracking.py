"""What people browse: MLflow; the only place that imports it."""

import logging
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import sleep, time
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from sweeps.errors import SweepError
from sweeps.ledger import Trial
from sweeps.status import Stage, Status
from sweeps.words import params_in_short

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from sweeps.spec import Metric

DASHBOARD_PORT = 5000

_RUN_STATUS = {
    Status.COMPLETED: "FINISHED",
    Status.PRUNED: "KILLED",
    Status.DIVERGED: "FAILED",
    Status.CRASHED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}

Job = Callable[["MlflowClient"], None]


class Tracker:
    """Writes a sweep into MLflow from a thread of its own: a parent run, and a child run a trial.

    Nothing waits for MLflow before the sweep's end, and none of its errors stops it: the first is kept in
    ``failure``. The ledger, not MLflow, is what rankings are made of.

    Args:
        results: Where ``mlflow.db`` and ``mlartifacts`` are, or will be.
        name: The sweep's name, and the experiment's.
        spec: The whole specification, as JSON values.
        metric: What says which trial is better.
        ended: How trials ended in an earlier run of the sweep, which is gone on with; None where there was
            none.
    """

    def __init__(
        self,
        results: Path,
        name: str,
        spec: Mapping[str, Any],
        metric: "Metric",
        ended: Mapping[str, Status] | None = None,
    ) -> None:
        self._metric = metric
        self.failure: Exception | None = None
        self._results = results.resolve()
        self._name = name
        self._experiment_id = ""
        self._run_ids: dict[str, str] = {}
        self._finished = len(ended or {})
        self._best_score: float | None = None
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="mlflow-writer", daemon=True)
        self._thread.start()
        if ended is not None:
            self._jobs.put(lambda client: self._find_runs(client, ended))
        self._jobs.put(lambda client: self._create_parent(client, spec))

    def start(self, trial: Trial) -> None:
        """Create the trial's run, or go on with it."""
        self._jobs.put(lambda client: self._create_child(client, trial))

    def report(self, trial: Trial, step: int, metrics: Mapping[str, float], samples_png: bytes) -> None:
        """Log a trial's metrics and its sample grid at a step."""
        self._jobs.put(lambda client: self._log_report(client, trial, step, metrics, samples_png))

    def take_over(self, trial: Trial, donor: str, step: int) -> None:
        """Log that a trial has other parameters, and another one's state, from a step on."""
        self._jobs.put(lambda client: self._log_take_over(client, trial, donor, step))

    def end(
        self, trial: Trial, status: Status, score: float | None, final: Mapping[str, float] | None = None
    ) -> None:
        """Log the trial's best and final scores, and end its run."""
        self._jobs.put(lambda client: self._end_child(client, trial, status, score, final or {}))

    def close(self, status: Status) -> None:
        """End the sweep's run and wait until all is written."""
        self._jobs.put(lambda client: self._end_parent(client, status))
        self._jobs.put(None)
        self._thread.join()

    def _serve(self) -> None:
        client: MlflowClient | None = None
        while (job := self._jobs.get()) is not None:
            try:
                client = client or _open_store(self._results)
                job(client)
            except Exception as error:  # noqa: BLE001 - shown when the sweep ends; tracking stops no sweep
                self.failure = self.failure or error

    def _find_runs(self, client: "MlflowClient", ended: Mapping[str, Status]) -> None:
        """Find the runs of an earlier run of this sweep, the parent being the one without a trial.

        Where that was killed before MLflow knew how a trial had ended, it is told now.
        """
        experiment = client.get_experiment_by_name(self._name)
        token = None
        while experiment and token != "":
            page = client.search_runs([experiment.experiment_id], page_token=token)
            for run in page:
                name = run.data.tags.get("trial_id", self._name)
                self._run_ids[name] = run.info.run_id
                if name in ended and run.info.status == "RUNNING":
                    self._terminate(client, run.info.run_id, ended[name])
            token = page.token or ""

    def _create_parent(self, client: "MlflowClient", spec: Mapping[str, Any]) -> None:
        experiment = client.get_experiment_by_name(self._name)
        self._experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(
                self._name, artifact_location=(self._results / "mlartifacts" / self._name).as_uri()
            )
        )
        if self._name in self._run_ids:
            client.update_run(self._run_ids[self._name], status="RUNNING")
            return
        tags = {
            "python": platform.python_version(),
            **{package: version(package) for package in ("torch", "ray", "optuna")},
        }
        run = client.create_run(self._experiment_id, run_name=self._name, tags=tags)
        self._run_ids[self._name] = run.info.run_id
        client.log_dict(run.info.run_id, dict(spec), "spec.json")

    def _create_child(self, client: "MlflowClient", trial: Trial) -> None:
        from mlflow.entities import Param

        if trial.trial_id in self._run_ids:
            client.update_run(self._run_ids[trial.trial_id], status="RUNNING")
            client.set_tag(self._run_ids[trial.trial_id], "status", Status.RUNNING)
            return
        run = client.create_run(
            self._experiment_id,
            run_name=f"{trial.trial_id} {params_in_short(trial.params)}",
            tags={
                "mlflow.parentRunId": self._run_ids[self._name],
                "trial_id": trial.trial_id,
                "is_baseline": str(trial.is_baseline).lower(),
                "stage": trial.stage,
                **({} if trial.of is None else {"of": trial.of}),
                "status": Status.RUNNING,
            },
        )
        self._run_ids[trial.trial_id] = run.info.run_id
        params = [Param(name, str(value)) for name, value in (trial.params | trial.config).items()]
        client.log_batch(run.info.run_id, params=params)

    def _log_report(
        self,
        client: "MlflowClient",
        trial: Trial,
        step: int,
        metrics: Mapping[str, float],
        samples_png: bytes,
    ) -> None:
        from mlflow.entities import Metric as MlflowMetric
        from PIL import Image

        run_id, now = self._run_ids[trial.trial_id], int(time() * 1000)
        logged = [MlflowMetric(name, value, now, step) for name, value in metrics.items()]
        client.log_batch(run_id, metrics=logged)
        client.log_image(run_id, Image.open(BytesIO(samples_png)), key="samples", step=step)

    def _log_take_over(self, client: "MlflowClient", trial: Trial, donor: str, step: int) -> None:
        """MLflow's params cannot change: the new ones are metrics."""
        from mlflow.entities import Metric as MlflowMetric

        run_id, now = self._run_ids[trial.trial_id], int(time() * 1000)
        numbers = [MlflowMetric(name, float(value), now, step) for name, value in trial.params.items()]
        client.log_batch(run_id, metrics=numbers)
        client.set_tag(run_id, "taken_over", f"{donor} at step {step}")

    def _end_child(
        self,
        client: "MlflowClient",
        trial: Trial,
        status: Status,
        score: float | None,
        final: Mapping[str, float],
    ) -> None:
        from mlflow.entities import Metric as MlflowMetric

        run_id, now = self._run_ids[trial.trial_id], int(time() * 1000)
        client.log_batch(
            run_id, metrics=[MlflowMetric(f"final_{name}", value, now, 0) for name, value in final.items()]
        )
        if score is not None and trial.stage is Stage.SEARCH:
            better = min if self._metric.goal == "minimize" else max
            self._best_score = score if self._best_score is None else better(score, self._best_score)
            name, parent = f"best_{self._metric.name}", self._run_ids[self._name]
            client.log_metric(run_id, name, score)
            client.log_metric(parent, name, self._best_score, step=self._finished)
        self._finished += 1
        self._terminate(client, run_id, status)

    def _end_parent(self, client: "MlflowClient", status: Status) -> None:
        self._terminate(client, self._run_ids[self._name], status)

    @staticmethod
    def _terminate(client: "MlflowClient", run_id: str, status: Status) -> None:
        client.set_tag(run_id, "status", status)
        client.set_terminated(run_id, _RUN_STATUS[status])


def tracking_uri(results: Path) -> str:
    """Return the URI of the MLflow store in ``results``."""
    return f"sqlite:///{results.resolve() / 'mlflow.db'}"


def serve_dashboard(results: Path) -> int:
    """Serve MLflow's dashboard over ``results`` on loopback until SIGINT or SIGTERM; return an exit code.

    Raises:
        SweepError: There is nothing to show yet, or the server does not start.
    """
    if not (results / "mlflow.db").exists():
        raise SweepError(
            f"nothing to show in {results} yet: run a sweep first, or name its folder: --results DIR"
        )
    port = _free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--allowed-hosts", f"localhost:{port},127.0.0.1:{port}"),
        *("--backend-store-uri", tracking_uri(results)),
        *("--default-artifact-root", (results.resolve() / "mlartifacts").as_uri()),
        *("--uvicorn-opts", "--log-level warning"),
    ]
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_LOGGING_LEVEL": "ERROR",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with subprocess.Popen(command, env=os.environ | quiet, start_new_session=True) as server:  # noqa: S603
        try:
            while server.poll() is None and not _answers(port):
                sleep(0.2)
            if server.poll() is not None:
                raise SweepError("MLflow's server did not start: its message is above")
            print(f"MLflow is at http://127.0.0.1:{port} (Ctrl-C stops it)", file=sys.stderr)  # noqa: T201
            return server.wait()
        except KeyboardInterrupt:
            os.killpg(server.pid, signal.SIGTERM)
            return 0


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    for port in (DASHBOARD_PORT, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SweepError("no port is free on 127.0.0.1")


def _open_store(results: Path) -> "MlflowClient":
    """Open the store, made where there is none; sweeps that start at once wait for each other."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    for library in ("mlflow", "alembic"):
        logging.getLogger(library).setLevel(logging.ERROR)
    with FileLock(results / "mlflow.lock"):
        client = MlflowClient(tracking_uri(results))
        client.search_experiments(max_results=1)
    return client


def register(
    results: Path, sweep: str, trial_id: str, folder: Path, model: str, tags: Mapping[str, str]
) -> None:
    """Register a trial's exported generator in MLflow's model registry, as the champion of its name.

    The folder becomes an artifact of the trial's run, and the new version's source: it is exchanged as
    safetensors, and ``models:/MODEL@champion`` is where MLflow has it downloaded from.

    Args:
        results: Where the store is.
        sweep: The sweep's name, and the experiment's.
        trial_id: The trial.
        folder: What is registered.
        model: The registered model's name; it is created where there is none.
        tags: Of the new version.

    Raises:
        SweepError: MLflow does not know the trial, or refuses the name.
    """
    from uuid import uuid4

    from mlflow.exceptions import MlflowException

    client = _open_store(results)
    experiment = client.get_experiment_by_name(sweep)
    found = experiment and client.search_runs([experiment.experiment_id], f"tags.trial_id = '{trial_id}'")
    if not found:
        raise SweepError(
            f"--register {model}: MLflow has no run of {trial_id} in {results}; export it without --register"
        )
    run_id, path = found[0].info.run_id, f"generators/{uuid4().hex}"
    try:
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        client.log_artifacts(run_id, str(folder), path)
        version = client.create_model_version(model, f"runs:/{run_id}/{path}", run_id, dict(tags))
        client.set_registered_model_alias(model, "champion", version.version)
    except MlflowException as error:
        raise SweepError(f"--register {model}: {error.message}") from None
