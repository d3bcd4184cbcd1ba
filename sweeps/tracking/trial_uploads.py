"""Upload what MLflow is missing of one trial: parameters, reports, sample grids, and how it ended."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sweeps.record.judging import constraints_of, is_feasible
from sweeps.record.layout import samples_file
from sweeps.record.status import Status
from sweeps.record.yardstick import accuracy_of, floors_of
from sweeps.tracking.missing import Item, Missing
from sweeps.tracking.runs import MOST_METRICS, Run, Runs, in_ms, metrics_of, spec_file, tags_of
from sweeps.words import format_params

if TYPE_CHECKING:
    from PIL.Image import Image

Reports = Sequence[Mapping[str, Any]]
"""Rows of the record, in the order of their sequence numbers."""


class TrialUploads:
    """Uploads trials into their runs.

    Args:
        folder: The sweep's folder.
        facts: The record's facts.
        runs: The sweep's runs.
        missing: Makes the requests, and keeps what MLflow did not take.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], runs: Runs, missing: Missing) -> None:
        self._folder = folder
        self._facts = facts
        self._runs = runs
        self._client = runs.client
        self._missing = missing
        self._metric: str = facts["spec"]["metric"][0]["name"]

    def bring_up(self, row: Mapping[str, Any], status: Status, reports: Reports) -> None:
        """Upload what the run of a trial is missing.

        Args:
            row: The trial's row in the record.
            status: Its status.
            reports: All of its reports that may be missing.

        Raises:
            MlflowException: MLflow does not answer.
        """
        run = self._run(row)
        if run is None:
            return
        self._send_reports(run, row, reports)
        self._send_take_overs(run, row)
        if status is not Status.RUNNING:
            self._send_end(run, row)
        if run.status != status:
            item = Item(row["trial_id"], "status")
            self._missing.send(item, self._runs.set_status, run, status, row["ended_at"])

    def _run(self, row: Mapping[str, Any]) -> Run | None:
        """Return the trial's run with its parameters; None if MLflow refuses them."""
        item = Item(row["trial_id"], "parameters")
        run = self._runs.trials.get(row["trial_id"])
        if run is None and not self._missing.send(item, self._create, row):
            return None
        run = self._runs.trials[row["trial_id"]]
        if run.status is None and self._missing.send(item, self._send_parameters, run, row):
            run.status = Status.RUNNING
        return None if run.status is None else run

    def _create(self, row: Mapping[str, Any]) -> None:
        sweep = self._runs.sweep
        tags = {
            **({"mlflow.parentRunId": sweep.run_id} if sweep else {}),
            "trial_id": row["trial_id"],
            "is_baseline": str(bool(row["is_baseline"])).lower(),
            "stage": row["stage"],
            "seed": str(row["config"].get("seed")),
            **({"of": row["of"]} if row["of"] else {}),
        }
        name = f"{row['trial_id']} {format_params(row['params'])}"
        self._runs.trials[row["trial_id"]] = self._runs.create(name, row["started_at"], tags)

    def _send_parameters(self, run: Run, row: Mapping[str, Any]) -> None:
        """Send the parameters, the searched ones first."""
        from mlflow.entities import Param

        params = [Param(name, str(value)) for name, value in {**row["params"], **row["config"]}.items()]
        self._client.log_batch(run.run_id, params=params, tags=tags_of({"status": Status.RUNNING}))

    def _yardstick(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what scores are measured with: extractor, accuracy of its classifier, and floor."""
        accuracy = accuracy_of(self._facts)
        return {
            **self._floor("floor", row["config"].get("eval_samples")),
            **({"extractor": self._facts["extractor"]} if "extractor" in self._facts else {}),
            **({"classifier": str(accuracy)} if accuracy else {}),
        }

    def _feasible(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether a trial meets the constraints of the sweep, if there are any and that is known."""
        constraints = constraints_of(self._facts)
        feasible = is_feasible(constraints, row) if constraints else None
        return {} if feasible is None else {"feasible": str(feasible).lower()}

    def _floor(self, tag: str, samples: int | None) -> dict[str, Any]:
        """Return the score of as many real images as ``samples`` or, with their number, of all there are."""
        floors = floors_of(self._facts, samples)
        if floors is None or self._metric not in floors.scores:
            return {}
        fewer = {f"{tag}_images": floors.images} if samples and floors.is_of_fewer(samples) else {}
        return {tag: floors.scores[self._metric], **fewer}

    def _send_reports(self, run: Run, row: Mapping[str, Any], reports: Reports) -> None:
        """Send images one by one, then metrics together with the tags that acknowledge both."""
        images_sent, trial_id = run.images_sent, row["trial_id"]
        self._send_images(run, trial_id, [each for each in reports if each["sequence"] > images_sent])
        new = [report for report in reports if report["sequence"] > run.metrics_sent]
        for batch in _batches(new):
            self._send_metrics(run, row, batch)
        if not new and run.images_sent > images_sent:
            tags = tags_of({"images_sent": run.images_sent})
            self._missing.send(Item(trial_id, "tags"), self._client.log_batch, run.run_id, tags=tags)

    def _send_metrics(self, run: Run, row: Mapping[str, Any], batch: Reports) -> None:
        """Send the metrics of reports together, or one by one if MLflow refuses them."""
        last, send = batch[-1], self._client.log_batch
        metrics = [metric for report in batch for metric in self._metrics(report)]
        tags = {} if run.metrics_sent else self._yardstick(row)
        if not run.has_gaps:
            tags |= {"metrics_sent": last["sequence"], "images_sent": run.images_sent, "step": last["step"]}
        item = Item(row["trial_id"], "metrics", last["step"])
        if self._missing.send(item, send, run.run_id, metrics=metrics, tags=tags_of(tags)):
            run.metrics_sent = run.metrics_sent if run.has_gaps else last["sequence"]
        elif len(batch) > 1:
            del self._missing.items[item]
            for report in batch:
                self._send_metrics(run, row, [report])
        else:
            run.has_gaps = True

    def _metrics(self, report: Mapping[str, Any]) -> list[Any]:
        named = report["metrics"] | {f"best_{self._metric}": report["score"]}
        return metrics_of(named, report["reported_at"], report["step"])

    def _send_images(self, run: Run, trial_id: str, new: Reports) -> None:
        """Send the sample grids that the store is missing; a step has one grid, of its newest report."""
        sent = self._images_in_store(run, trial_id) if new and run.is_found else set()
        run.is_found = run.is_found and not new
        newest = {report["step"]: report["sequence"] for report in new}
        for report in new:
            is_replaced = report["sequence"] != newest[report["step"]]
            is_sent = is_replaced or (report["step"], in_ms(report["reported_at"])) in sent
            if not is_sent and not self._send_image(run, trial_id, report):
                run.has_image_gaps = True
            run.images_sent = run.images_sent if run.has_image_gaps else report["sequence"]

    def _send_image(self, run: Run, trial_id: str, report: Mapping[str, Any]) -> bool:
        """Send the grid of a report, and return whether MLflow took it; True if the grid was deleted."""
        grid = samples_file(self._folder, trial_id, report["step"])
        if not grid.exists():
            return True
        item = Item(trial_id, str(grid.relative_to(self._folder)), report["step"])
        try:
            image = _readable(grid)
        except (OSError, SyntaxError, ValueError) as error:
            self._missing.items[item] = ValueError(
                f"{grid} cannot be read: {error}; delete the file to leave it out of MLflow"
            )
            return False
        send, at_ms = self._client.log_image, in_ms(report["reported_at"])
        return self._missing.send_file(
            item, send, run.run_id, image, key="samples", step=report["step"], timestamp=at_ms
        )

    def _images_in_store(self, run: Run, trial_id: str) -> set[tuple[int, int]]:
        """Return the step and time, in milliseconds, of each image in the store.

        Of an image MLflow writes the small copy for its pages last; an interrupted write leaves it empty.
        """
        found: list[Any] = []
        item = Item(trial_id, "images")
        self._missing.send_file(item, lambda: found.extend(self._client.list_artifacts(run.run_id, "images")))
        whole = (file.path for file in found if "compressed" in file.path and file.file_size)
        names = (re.search(r"\Wstep\W(\d+)\Wtimestamp\W(\d+)\W", path) for path in whole)
        return {(int(name[1]), int(name[2])) for name in names if name}

    def _send_take_overs(self, run: Run, row: Mapping[str, Any]) -> None:
        """Send the parameters that were taken over as metrics: MLflow's parameters cannot change."""
        for place, take_over in enumerate(row["take_overs"], 1):
            if place <= run.n_take_overs:
                continue
            numbers = {name: float(value) for name, value in take_over["params"].items()}
            tags = {
                "taken_over": f"{take_over['trial_id']} at step {take_over['step']}",
                "n_take_overs": place,
            }
            metrics = metrics_of(numbers, take_over["at"], take_over["step"])
            item = Item(row["trial_id"], "take-over", take_over["step"])
            send = self._client.log_batch
            if not self._missing.send(item, send, run.run_id, metrics=metrics, tags=tags_of(tags)):
                return
            run.n_take_overs = place

    def _send_end(self, run: Run, row: Mapping[str, Any]) -> None:
        """Send how a trial ended: its files, its final scores and its reason."""
        ended_at = row["ended_at"] or row["started_at"]
        end = in_ms(ended_at)
        final: dict[str, float | None] = {}
        tags: dict[str, object] = {}
        if run.end_files_sent != end and self._send_files(run, row):
            tags["end_files_sent"] = end
        if run.end_sent != end:
            final = {f"final_{name}": value for name, value in (row["final"] or {}).items()}
            tags |= {"end_sent": end, **({"reason": row["reason"]} if row["reason"] else {})}
            tags |= self._floor("final_floor", row["config"].get("final_samples")) if row["final"] else {}
            tags |= self._feasible(row)
        if tags:
            metrics, send = metrics_of(final, ended_at, row["step"]), self._client.log_batch
            item = Item(row["trial_id"], "final scores")
            self._missing.send(item, send, run.run_id, metrics=metrics, tags=tags_of(tags))

    def _send_files(self, run: Run, row: Mapping[str, Any]) -> bool:
        if row["best_step"] is None:
            return True
        with TemporaryDirectory(prefix="gan-sweep-") as name:
            folder = Path(name)
            (folder / "spec.yaml").write_text(spec_file(self._facts), encoding="utf-8")
            best = samples_file(self._folder, row["trial_id"], row["best_step"])
            if best.exists():
                (folder / "best.png").write_bytes(best.read_bytes())
            item = Item(row["trial_id"], "best.png, spec.yaml")
            return self._missing.send_file(item, self._client.log_artifacts, run.run_id, name)


def _batches(reports: Reports) -> Iterator[Reports]:
    """Yield reports in groups that fit into one request."""
    if not reports:
        return
    size = MOST_METRICS // (max(len(report["metrics"]) for report in reports) + 1)
    for start in range(0, len(reports), size):
        yield reports[start : start + size]


def _readable(file: Path) -> "Image":
    """Return a decoded image.

    Raises:
        OSError, SyntaxError, ValueError: The file is damaged or cut short.
    """
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(file.read_bytes())) as image:
        image.load()
        return image
