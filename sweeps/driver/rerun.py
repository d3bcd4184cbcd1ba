"""A trial trained again, outside of Ray: the same, bit for bit, on the same CPU."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sweeps.analysis.sweep import Sweep
from sweeps.errors import UnknownTrialError
from sweeps.record.status import SPEED


@dataclass(frozen=True)
class Repetition:
    """A report, beside the one that the ledger holds of the same step.

    Args:
        step: Steps taken.
        metrics: What it says now.
        recorded: What the ledger holds.
    """

    step: int
    metrics: Mapping[str, float]
    recorded: Mapping[str, float]

    @property
    def is_equal(self) -> bool:
        """Whether every metric but the speed is the same, bit for bit."""
        return all(self.metrics[name] == value for name, value in self.recorded.items() if name != SPEED)


def rerun(sweep: Sweep, trial_id: str) -> Iterator[Repetition]:
    """Train a trial again, as far as it came, and compare each report with the ledger's.

    With as many torch threads as the trial had, as rounding depends on them; afterwards there are as many as
    before.

    Raises:
        UnknownTrialError: The sweep has no such trial, it made no report, or it took over another's state.
        GanCoreError: The dataset cannot be loaded, or the training fails.
    """
    config, recorded = sweep.config_of(trial_id), sweep.reports_of(trial_id)
    if take_overs := sweep.take_overs_of(trial_id):
        donors = ", ".join(take_over["trial_id"] for take_over in take_overs)
        raise UnknownTrialError(f"{trial_id} cannot be trained alone: it took over the weights of {donors}")

    import torch

    from gan_core import Evaluator, TrialConfig, load_dataset, train

    spec, threads_before = sweep.facts["spec"], torch.get_num_threads()
    torch.set_num_threads(spec["resources"]["cpu"])
    try:
        data = load_dataset(spec["dataset"], image_size=spec["image_size"], channels=spec["channels"])
        device = "cuda" if spec["resources"]["gpu"] != 0 and torch.cuda.is_available() else "cpu"
        evaluator = Evaluator(data, device, spec["extractor"])
        last_step = max(recorded)
        for report in train(TrialConfig.model_validate(config), data, evaluator, device):
            if report.step in recorded:
                yield Repetition(report.step, report.metrics, recorded[report.step])
            if report.step == last_step:
                return
    finally:
        torch.set_num_threads(threads_before)
