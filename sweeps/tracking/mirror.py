"""What people browse: MLflow; the only place that imports it.

MLflow is a mirror of the ledger. What it lacks is found out by comparing the two, so that nothing need be
queued: while a tracking server does not answer, the ledger is what is kept for it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sweeps.record.follower import Follower
from sweeps.record.layout import report_file as report_page
from sweeps.record.layout import samples_file
from sweeps.record.reading import read_facts, run_key, spec_in_effect, standing
from sweeps.record.status import Status
from sweeps.tracking.refusals import FILES, is_refusal
from sweeps.tracking.store import Store, open_store
from sweeps.tracking.view import VIEW, view
from sweeps.words import format_params

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

MOST_METRICS = 1000
"""MLflow takes no more at a time."""

_RUN_STATUS = {
    Status.COMPLETED: "FINISHED",
    Status.PRUNED: "KILLED",
    Status.DIVERGED: "FAILED",
    Status.CRASHED: "FAILED",
    Status.INTERRUPTED: "KILLED",
}


@dataclass
class _Run:
    """A run, as far as MLflow knows it."""

    run_id: str
    status: str | None = None
    step: int = 0
    n_take_overs: int = 0
    n_finished: int = 0
    is_found: bool = False

    @property
    def progress(self) -> tuple[bool, int, int]:
        """How far it has come, to be compared."""
        return self.status is not None, self.step, self.n_finished

    @classmethod
    def of(cls, run: "Run") -> "_Run":
        """Read how far a run has come from its tags."""
        tags = run.data.tags
        step, n_take_overs, n_finished = (
            int(tags.get(name, 0)) for name in ("step", "n_take_overs", "trials_finished")
        )
        return cls(run.info.run_id, tags.get("status"), step, n_take_overs, n_finished, is_found=True)


class Mirror:
    """Brings an MLflow store up to what a sweep's ledger holds.

    A parent run a sweep, found again by the sweep's ID, and a child run a trial, found by the trial's. Tags
    say how far each has come, so that a mirror that is broken off at any point is gone on with.

    Args:
        folder: The sweep's folder.
        store: Where the runs are.
        is_running: Whether this process runs the sweep; otherwise a trial that the ledger has running was
            left so by a process that died, and is an interrupted one.
        on_sent: Called whenever the store has taken some of it.
    """

    def __init__(
        self, folder: Path, store: Store, *, is_running: bool, on_sent: Callable[[], None] = lambda: None
    ) -> None:
        self._ledger = Follower(folder)
        self._folder = folder
        self._is_running = is_running
        self._on_sent = on_sent
        self._facts = read_facts(folder)
        self._metric: str = self._facts["spec"]["metric"][0]["name"]
        self.client = open_store(store, folder.parent)
        on_sent()
        self._experiment_id = self._experiment(store)
        self._children: dict[str, _Run] = {}
        self._unsent: dict[str, list[dict[str, Any]]] = {}
        self._parent: _Run | None = None
        self.refusals: dict[str, Exception] = {}
        self._find_runs()

    @property
    def link(self) -> str:
        """The path of the experiment in MLflow's pages."""
        query = f"workflowType=machine_learning&viewStateShareKey={VIEW}"
        return f"#/experiments/{self._experiment_id}/runs?{query}"

    def run_id(self, trial_id: str) -> str | None:
        """Return the run of a trial; None where there is none."""
        run = self._children.get(trial_id)
        return run.run_id if run else None

    def catch_up(self, *, is_over: Callable[[], bool] = lambda: False) -> None:
        """Send what is new, until there is no more or it is over.

        What MLflow refuses of a trial is kept in ``refusals``, as are files, and the rest is sent.

        Raises:
            MlflowException: The store does not answer.
        """
        self._facts = read_facts(self._folder)
        parent = self._parent_run()
        self._read_reports()
        while not is_over():
            for trial_id in self._changed(self._unsent):
                if is_over():
                    return
                if trial_id not in self.refusals:
                    self._bring_up(trial_id, self._unsent.get(trial_id, []))
                self._unsent.pop(trial_id, None)
            if not self._read_reports():
                break
        self._log_best(parent)

    def _read_reports(self) -> bool:
        """Read what the ledger has of new reports, and return whether there are any to send."""
        for trial_id, reports in self._ledger.new_reports().items():
            self._unsent.setdefault(trial_id, []).extend(reports)
        return bool(self._unsent)

    def conclude(self) -> None:
        """Send what is left, and end the sweep's run."""
        self.catch_up()
        parent = self._parent_run()
        self._log_story(parent.run_id)
        self._stand(parent, self._now(standing(self._facts)), self._facts.get("ended_at"))

    def _experiment(self, store: Store) -> str:
        """Return the experiment of the sweep's name, made where there is none."""
        name = self._folder.name
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = (store.artifacts / name).as_uri() if store.artifacts else None
            experiment_id = self.client.create_experiment(
                name,
                artifact_location=location,
                tags={
                    "mlflow.experimentKind": "custom_model_development",
                    f"mlflow.sharedViewState.{VIEW}": view(self._facts["spec"]),
                },
            )
            return str(experiment_id)
        if experiment.lifecycle_stage != "active":
            self.client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _find_runs(self) -> None:
        """Find the runs that an earlier mirror of this sweep has made.

        A run whose making was never answered has been made twice: the emptier one is deleted.
        """
        token: str | None = None
        while token != "":
            page = self.client.search_runs(
                [self._experiment_id], f"tags.sweep_id = '{run_key(self._facts)}'", page_token=token
            )
            for run in page:
                self._note(run)
            token = page.token or ""

    def _note(self, run: "Run") -> None:
        trial_id, found = run.data.tags.get("trial_id"), _Run.of(run)
        known = self._parent if trial_id is None else self._children.get(trial_id)
        if known:
            found, emptier = (found, known) if found.progress > known.progress else (known, found)
            self.client.delete_run(emptier.run_id)
        if trial_id is None:
            self._parent = found
        else:
            self._children[trial_id] = found

    def _parent_run(self) -> _Run:
        """Return the sweep's run, made where there is none."""
        if self._parent is None:
            run = self.client.create_run(
                self._experiment_id, _ms(self._facts["started_at"]), self._tags(), self._folder.name
            )
            self._parent = _Run(run.info.run_id)
        if self._parent.status is None:
            self._on_files(self.client.log_text, self._parent.run_id, _spec_file(self._facts), "spec.yaml")
        if self._parent.status is None or (self._is_running and self._parent.status != Status.RUNNING):
            self._stand(self._parent, Status.RUNNING)
        return self._parent

    def _tags(self) -> dict[str, str]:
        """Return what every run of the sweep is told by."""
        where = {name: str(value) for name, value in self._facts.get("environment", {}).items()}
        commit = where.pop("git_commit", None)
        return {
            "sweep_id": run_key(self._facts),
            **where,
            **({"mlflow.source.git.commit": commit} if commit else {}),
        }

    def _changed(self, reports: Mapping[str, Any]) -> Iterator[str]:
        """Yield the trials that MLflow does not know as they are."""
        for trial_id, (status, n_take_overs) in self._ledger.standings().items():
            child = self._children.get(trial_id)
            known = child and (child.status, child.n_take_overs)
            if trial_id in reports or known != (self._now(status), n_take_overs):
                yield trial_id

    def _now(self, status: Status) -> Status:
        is_dead = status is Status.RUNNING and not self._is_running
        return Status.INTERRUPTED if is_dead else status

    def _bring_up(self, trial_id: str, reports: Sequence[dict[str, Any]]) -> None:
        """Send what is new of a trial, its end last."""
        from mlflow.exceptions import MlflowException

        row = self._ledger.trial(trial_id)
        try:
            child = self._children.get(trial_id) or self._create(row)
            if child.status is None:
                self._describe(child, row)
            self._log_reports(child, row, [report for report in reports if report["step"] > child.step])
            self._log_take_overs(child, row)
            if child.status != (status := self._now(Status(row["status"]))):
                self._log_end(child, row, status)
            self._on_sent()
        except MlflowException as error:
            if not is_refusal(error):
                raise
            self.refusals[trial_id] = error

    def _create(self, row: Mapping[str, Any]) -> _Run:
        """Make a trial's run; it has a status once its parameters are known too."""
        tags = self._tags() | {
            "mlflow.parentRunId": self._parent_run().run_id,
            "trial_id": row["trial_id"],
            "is_baseline": str(bool(row["is_baseline"])).lower(),
            "stage": row["stage"],
            "seed": str(row["config"].get("seed")),
            **({"of": row["of"]} if row["of"] else {}),
        }
        name = f"{row['trial_id']} {format_params(row['params'])}"
        run = self.client.create_run(self._experiment_id, _ms(row["started_at"]), tags, name)
        return self._children.setdefault(row["trial_id"], _Run(run.info.run_id))

    def _describe(self, child: _Run, row: Mapping[str, Any]) -> None:
        """Send the parameters, the searched ones first."""
        from mlflow.entities import Param, RunTag

        params = {**row["params"], **row["config"]}
        self.client.log_batch(
            child.run_id,
            params=[Param(name, str(value)) for name, value in params.items()],
            tags=[RunTag("status", Status.RUNNING)],
        )
        child.status = Status.RUNNING

    def _log_reports(self, child: _Run, row: Mapping[str, Any], reports: Sequence[dict[str, Any]]) -> None:
        """Send reports: their images one by one, their metrics together."""
        from mlflow.entities import RunTag

        if not reports:
            return
        sent = self._image_steps(child.run_id) if child.is_found else set()
        child.is_found = False
        for report in reports:
            if report["step"] not in sent:
                self._log_samples(child, row["trial_id"], report)
                self._on_sent()
        a_batch = MOST_METRICS // (max(len(report["metrics"]) for report in reports) + 1)
        for start in range(0, len(reports), a_batch):
            batch = reports[start : start + a_batch]
            metrics = [metric for report in batch for metric in self._metrics(report)]
            tags = {"step": batch[-1]["step"], **({} if child.step else self._yardstick())}
            self.client.log_batch(
                child.run_id, metrics=metrics, tags=[RunTag(key, str(value)) for key, value in tags.items()]
            )
            child.step = batch[-1]["step"]

    def _metrics(self, report: Mapping[str, Any]) -> "list[Metric]":
        named = report["metrics"] | {f"best_{self._metric}": report["score"]}
        return _metrics(named, report["reported_at"], report["step"])

    def _yardstick(self) -> dict[str, Any]:
        """Return what scores are to be read against."""
        floors = self._facts.get("floors") or {}
        floor = {"floor": floors[self._metric]} if self._metric in floors else {}
        return floor | ({"extractor": self._facts["extractor"]} if "extractor" in self._facts else {})

    def _log_samples(self, child: _Run, trial_id: str, report: Mapping[str, Any]) -> None:
        from PIL import Image

        grid = samples_file(self._folder, trial_id, report["step"])
        if not grid.exists():
            return
        with Image.open(BytesIO(grid.read_bytes())) as image:
            timestamp = _ms(report["reported_at"])
            self._on_files(
                self.client.log_image,
                *(child.run_id, image),
                key="samples",
                step=report["step"],
                timestamp=timestamp,
            )

    def _image_steps(self, run_id: str) -> set[int]:
        """Return the steps whose images a mirror has sent, also one that was broken off after them.

        Of an image MLflow writes the small copy that its pages show last.
        """
        files = self._on_files(self.client.list_artifacts, run_id, "images") or []
        whole = (file.path for file in files if "compressed" in file.path)
        return {int(found[1]) for path in whole if (found := re.search(r"\Wstep\W(\d+)\W", path))}

    def _log_take_overs(self, child: _Run, row: Mapping[str, Any]) -> None:
        """Send the parameters taken over since, as metrics: MLflow's parameters cannot change."""
        from mlflow.entities import RunTag

        for place, take_over in enumerate(row["take_overs"][child.n_take_overs :], child.n_take_overs + 1):
            numbers = {name: float(value) for name, value in take_over["params"].items()}
            told = f"{take_over['trial_id']} at step {take_over['step']}"
            self.client.log_batch(
                child.run_id,
                metrics=_metrics(numbers, take_over["at"], take_over["step"]),
                tags=[RunTag("taken_over", told), RunTag("n_take_overs", str(place))],
            )
            child.n_take_overs = place

    def _log_end(self, child: _Run, row: Mapping[str, Any], status: Status) -> None:
        """Send how a trial stands, or how it ended: its final scores, its pictures, its reason."""
        if status is not Status.RUNNING:
            ended_at = row["ended_at"] or row["started_at"]
            final = {f"final_{name}": value for name, value in (row["final"] or {}).items()}
            self.client.log_batch(child.run_id, metrics=_metrics(final, ended_at, row["step"]))
            self._log_pictures(child.run_id, row)
            if row["reason"]:
                self.client.set_tag(child.run_id, "reason", row["reason"])
        self._stand(child, status, row["ended_at"])

    def _log_pictures(self, run_id: str, row: Mapping[str, Any]) -> None:
        reports = self._ledger.reports_of(row["trial_id"])
        if not reports:
            return
        best = samples_file(self._folder, row["trial_id"], row["best_step"])
        with self._artifacts(run_id) as folder:
            (folder / "spec.yaml").write_text(_spec_file(self._facts), encoding="utf-8")
            if best.exists():
                (folder / "best.png").write_bytes(best.read_bytes())

    @contextmanager
    def _artifacts(self, run_id: str) -> Iterator[Path]:
        """Send the files that are written into a folder."""
        with TemporaryDirectory(prefix="gan-sweep-") as folder:
            yield Path(folder)
            self._on_files(self.client.log_artifacts, run_id, folder)

    def _on_files(self, call: Callable[..., Any], *arguments: object, **options: object) -> Any:  # noqa: ANN401 - the call's own
        """Make a call about files and return its result; a store that refuses one is not asked again."""
        from mlflow.exceptions import MlflowException

        if FILES in self.refusals:
            return None
        try:
            return call(*arguments, **options)
        except (MlflowException, OSError, ImportError) as error:
            if not is_refusal(error):
                raise
            self.refusals[FILES] = error
            return None

    def _log_best(self, parent: _Run) -> None:
        """Send the sweep's best score against the number of trials finished."""
        from mlflow.entities import RunTag

        scores = self._ledger.scores()
        if len(scores) <= parent.n_finished:
            return
        better = min if self._facts["spec"]["metric"][0]["goal"] == "minimize" else max
        best, metrics = scores[0][1], []
        for number, (ended_at, score) in enumerate(scores, 1):
            best = better(best, score)
            metrics += _metrics({f"best_{self._metric}": best}, ended_at, number)
        for start in range(parent.n_finished, len(metrics), MOST_METRICS):
            batch = metrics[start : start + MOST_METRICS]
            parent.n_finished = start + len(batch)
            tag = RunTag("trials_finished", str(parent.n_finished))
            self.client.log_batch(parent.run_id, metrics=batch, tags=[tag])

    def _log_story(self, run_id: str) -> None:
        """Send the leaderboard, the contact sheet and the report page, in place of earlier ones."""
        from sweeps.analysis.loading import load
        from sweeps.report.contact_sheet import contact_sheet, sheet_png

        sweep = load(self._folder.name, self._folder.parent)
        board, page = sweep.rank(), report_page(self._folder)
        if board.empty:
            return
        with self._artifacts(run_id) as folder:
            board.to_csv(folder / "leaderboard.csv", index=False)
            if (sheet := contact_sheet(sweep)).has_images:
                (folder / "contact_sheet.png").write_bytes(sheet_png(sheet))
            if page.exists():
                (folder / page.name).write_bytes(page.read_bytes())
        table = "leaderboard.json"
        if any(file.path == table for file in self._on_files(self.client.list_artifacts, run_id) or []):
            self._on_files(self.client.log_text, run_id, board.to_json(orient="split", index=False), table)
        else:
            self._on_files(self.client.log_table, run_id, board, table)

    def _stand(self, run: _Run, status: Status, ended_at: float | None = None) -> None:
        """Say how a run stands; its tag last, for a mirror that is broken off."""
        if status is Status.RUNNING:
            self.client.update_run(run.run_id, status="RUNNING")
        else:
            self.client.set_terminated(
                run.run_id, _RUN_STATUS[status], None if ended_at is None else _ms(ended_at)
            )
        self.client.set_tag(run.run_id, "status", status)
        run.status = status


def _metrics(values: Mapping[str, float], at: float, step: int) -> "list[Metric]":
    from mlflow.entities import Metric

    return [Metric(name, value, _ms(at), step) for name, value in values.items()]


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _spec_file(facts: Mapping[str, Any]) -> str:
    from sweeps.spec.yaml_text import spec_as_yaml

    return spec_as_yaml(spec_in_effect(facts))
