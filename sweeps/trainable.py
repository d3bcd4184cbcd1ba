"""One trial, in a worker of Ray's."""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

if TYPE_CHECKING:
    from gan_core import Evaluator, ImageDataset, Report, TrialConfig
    from gan_core.features import ExtractorName


class GanTrainable(tune.Trainable):
    """Trains the GAN of a suggestion, a report a step of Tune's.

    A worker lives on for the next trial, with torch, the dataset and the evaluator loaded. A trial that is
    stopped early leaves nothing behind: training only goes on when its next report is asked for. The baseline
    is not stopped for its flags: every gain is measured against all of its training.
    """

    _best: dict[str, float]
    _config: "TrialConfig"
    _image_shape: tuple[int, int, int]
    _metrics: list[dict[str, str]]
    _stop_on: set[str]
    _weights_file: Path | None
    _report_every: int
    _reports: "Iterator[Report]"

    def setup(self, config: dict[str, Any]) -> None:
        """Start the first trial of this worker."""
        import torch

        torch.set_num_threads(config["cpu"])
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Start another trial."""
        self._start(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train up to the next report and return it, with the best score so far."""
        from gan_core import save_generator
        from gan_core.errors import TrainingDiverged
        from gan_core.images import png_grid

        try:
            report = next(self._reports)
        except TrainingDiverged as divergence:
            return {"status": "diverged", "reason": str(divergence), "done": True}
        if not self._best or self._is_better(report.metrics):
            self._best = report.metrics
        if report.weights is not None and self._weights_file is not None:
            save_generator(self._weights_file, self._config, self._image_shape, report.weights)
        return {
            **self._status(report),
            "step": report.step,
            "reports": ceil(report.step / self._report_every),
            "score": self._best[self._metrics[0]["name"]],
            "objectives": [self._best[metric["name"]] for metric in self._metrics],
            "best": self._best,
            "metrics": report.metrics,
            "flags": report.flags,
            "final": report.final,
            "samples": png_grid(report.samples),
            "floors": self._evaluator.floors,
            "extractor": self._evaluator.extractor,
        }

    def _is_better(self, metrics: dict[str, float]) -> bool:
        name, goal = self._metrics[0]["name"], self._metrics[0]["goal"]
        gain = metrics[name] - self._best[name]
        return gain < 0 if goal == "minimize" else gain > 0

    def _status(self, report: "Report") -> dict[str, Any]:
        """Return whether the trial is done, and why where it is before its last step."""
        if report.final is not None:
            return {"status": "completed", "done": True}
        for flag in self._stop_on & report.flags.keys():
            return {"status": "pruned", "done": True, "reason": f"{flag} since step {report.flags[flag]}"}
        return {"status": "running", "done": False}

    def _start(self, suggestion: dict[str, Any]) -> None:
        from gan_core import TrialConfig, train

        config = TrialConfig.model_validate(suggestion["config"])
        extractor = suggestion["extractor"]
        data, self._evaluator = _loaded(self._device, extractor, **suggestion["data"])
        self._config, self._image_shape = config, data.image_shape
        self._weights_file = suggestion["weights"] and Path(suggestion["weights"])
        self._stop_on = set() if suggestion["is_baseline"] else set(suggestion["stop_on"])
        self._metrics, self._best = suggestion["metrics"], suggestion["best"]
        self._report_every = config.report_every
        checkpoint = Path(suggestion["checkpoint"])
        every_s = suggestion["checkpoint_every_s"]
        self._reports = train(config, data, self._evaluator, self._device, checkpoint, every_s)


@lru_cache(maxsize=1)
def _loaded(
    device: str, extractor: "ExtractorName", name: str, image_size: int | None, channels: int | None
) -> "tuple[ImageDataset, Evaluator]":
    from gan_core import Evaluator, load_dataset

    data = load_dataset(name, image_size=image_size, channels=channels).placed(device)
    return data, Evaluator(data, device, extractor)
