"""Upload what concerns a whole sweep: its curve of best scores, leaderboard and contact sheet."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sweeps.record.layout import report_file
from sweeps.record.status import Status
from sweeps.record.uploads import note_running
from sweeps.tracking.missing import Item, Missing
from sweeps.tracking.runs import MOST_METRICS, Run, Runs, metrics_of, spec_file, tags_of


class SweepUploads:
    """Uploads the sweep into its own run.

    Args:
        folder: The sweep's folder.
        uri: The store's public URI; None is the store in the results.
        facts: The record's facts.
        runs: The sweep's runs.
        missing: Makes the requests, and keeps what MLflow did not take.
    """

    def __init__(
        self, folder: Path, uri: str | None, facts: Mapping[str, Any], runs: Runs, missing: Missing
    ) -> None:
        self._folder = folder
        self._uri = uri
        self._facts = facts
        self._runs = runs
        self._missing = missing

    def begin(self, *, is_running: bool) -> None:
        """Create the run if necessary, and show it as running if the sweep is."""
        run = self._runs.sweep
        if run is None or is_running:
            note_running(self._folder, self._uri, is_running=True)
        if run is None:
            run = self._runs.sweep = self._runs.create(self._folder.name, self._facts["started_at"], {})
        if run.status is None:
            self._send_text(run, spec_file(self._facts), "spec.yaml")
        if run.status is None or (is_running and run.status != Status.RUNNING):
            self._runs.set_status(run, Status.RUNNING)
        self._missing.on_answer()

    def send_best(self, scores: Sequence[tuple[float, float]]) -> None:
        """Send the best score against the number of trials that have ended.

        Args:
            scores: When each trial ended, and its score.
        """
        run = self._begun
        if len(scores) <= run.trials_finished:
            return
        objective = self._facts["spec"]["metric"][0]
        better = min if objective["goal"] == "minimize" else max
        best, metrics = scores[0][1], []
        for number, (ended_at, score) in enumerate(scores, 1):
            best = better(best, score)
            metrics += metrics_of({f"best_{objective['name']}": best}, ended_at, number)
        for start in range(run.trials_finished, len(metrics), MOST_METRICS):
            batch = metrics[start : start + MOST_METRICS]
            n_finished = start + len(batch)
            tags = tags_of({"trials_finished": n_finished})
            item, send = Item(self._folder.name, "curve of best scores"), self._runs.client.log_batch
            if not self._missing.send(item, send, run.run_id, metrics=batch, tags=tags):
                return
            run.trials_finished = n_finished

    def conclude(self, status: Status) -> None:
        """Send the files in place of earlier ones, and end the run."""
        self._send_files()
        self._runs.set_status(self._begun, status, self._facts.get("ended_at"))
        note_running(self._folder, self._uri, is_running=False)

    @property
    def _begun(self) -> Run:
        if self._runs.sweep is None:
            raise RuntimeError("begin() creates the run")
        return self._runs.sweep

    def _send_files(self) -> None:
        from sweeps.analysis.loading import load
        from sweeps.report.contact_sheet import contact_sheet, sheet_png

        sweep = load(self._folder.name, self._folder.parent)
        board, page = sweep.rank(), report_file(self._folder)
        with TemporaryDirectory(prefix="gan-sweep-") as name:
            folder = Path(name)
            (folder / "spec.yaml").write_text(spec_file(self._facts), encoding="utf-8")
            if not board.empty:
                board.to_csv(folder / "leaderboard.csv", index=False)
                if (sheet := contact_sheet(sweep)).has_images:
                    (folder / "contact_sheet.png").write_bytes(sheet_png(sheet))
            if page.exists():
                (folder / page.name).write_bytes(page.read_bytes())
            item = Item(self._folder.name, ", ".join(sorted(file.name for file in folder.iterdir())))
            self._missing.send_file(item, self._runs.client.log_artifacts, self._begun.run_id, name)
        if not board.empty:
            self._send_table(board)

    def _send_table(self, board: Any) -> None:  # noqa: ANN401 - pandas is imported lazily
        """Send the leaderboard as a table of MLflow's; a second table would be appended to the first."""
        run, client, table = self._begun, self._runs.client, "leaderboard.json"
        found: list[Any] = []
        item = Item(self._folder.name, table)
        if not self._missing.send_file(item, lambda: found.extend(client.list_artifacts(run.run_id))):
            return
        if any(file.path == table for file in found):
            self._send_text(run, board.to_json(orient="split", index=False), table)
        else:
            self._missing.send_file(item, client.log_table, run.run_id, board, table)

    def _send_text(self, run: Run, text: str, name: str) -> None:
        item = Item(self._folder.name, name)
        self._missing.send_file(item, self._runs.client.log_text, run.run_id, text, name)
