"""Train a trial again, outside of Ray: equal bit for bit on the same CPU."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweeps.analysis.sweep import Sweep
from sweeps.cluster.code import code_of
from sweeps.errors import UnknownTrialError
from sweeps.record.code import CODE, changes_of_code, in_short
from sweeps.record.comparability import EXTRACTOR, FLOORS, IMAGES, check_comparable, check_split
from sweeps.record.reading import spec_in_effect
from sweeps.record.status import SPEED
from sweeps.spec.model import SweepSpec

if TYPE_CHECKING:
    from gan_core import ImageDataset, LoopConfig


@dataclass(frozen=True)
class Repetition:
    """A report beside the recorded report of the same step.

    Args:
        step: Steps taken.
        metrics: The metrics of the new report.
        recorded: The metrics of the recorded report.
        reason: Why the recorded trial was trained differently, in a sentence; None if it was not.
    """

    step: int
    metrics: Mapping[str, float]
    recorded: Mapping[str, float]
    reason: str | None = None

    @property
    def is_equal(self) -> bool:
        """Whether every metric except the speed is equal, bit for bit."""
        return all(self.metrics[name] == value for name, value in self.recorded.items() if name != SPEED)


def rerun(sweep: Sweep, trial_id: str) -> Iterator[Repetition]:
    """Train a trial again up to its last report, and yield each report beside the recorded one.

    Training uses the trial's number of torch threads, because rounding depends on it, and restores the number
    afterwards.

    Raises:
        UnknownTrialError: The sweep has no such trial, the trial made no report, or it continued from the
            state of another trial.
        SweepError: The images or the extractor are not those of the recorded trial.
        GanCoreError: The dataset cannot be loaded, or the training fails.
    """
    config, recorded = sweep.config_of(trial_id), sweep.reports_of(trial_id)
    if take_overs := sweep.take_overs_of(trial_id):
        donors = ", ".join(take_over["trial_id"] for take_over in take_overs)
        raise UnknownTrialError(
            f"{trial_id} cannot be trained alone: it continued from the weights of {donors}"
        )
    check_split(f"rerun {sweep.name} {trial_id}", sweep.facts)

    import torch

    from gan_core import Evaluator, load_dataset, train
    from gan_core.hyperparameters import config_of, named_loop

    spec, threads_before = sweep.facts["spec"], torch.get_num_threads()
    torch.set_num_threads(spec["resources"]["cpu"])
    try:
        data = load_dataset(
            spec["dataset"],
            image_size=spec["image_size"],
            channels=spec["channels"],
            skip_unreadable=spec.get("skip_unreadable", False),
        )
        images, subject = data.identity, f"rerun {sweep.name} {trial_id}"
        check_comparable(subject, sweep.facts, {IMAGES: images})
        device = "cuda" if spec["resources"]["gpu"] != 0 and torch.cuda.is_available() else "cpu"
        reference = spec.get("reference", "held-out")
        evaluator = Evaluator(data, device, spec["extractor"], reference=reference)
        measure = {IMAGES: images, EXTRACTOR: evaluator.extractor}
        if IMAGES not in sweep.facts:
            measure[FLOORS] = evaluator.floors
        check_comparable(subject, sweep.facts, measure)
        path, last_step = spec.get("train"), max(recorded)
        checked, loop = config_of(path).model_validate(config), named_loop(path)
        reason = _reason(sweep, trial_id, checked, data, device)
        for report in train(checked, data, evaluator, device, loop=loop):
            if report.step in recorded:
                yield Repetition(report.step, report.metrics, recorded[report.step], reason)
            if report.step == last_step:
                return
    finally:
        torch.set_num_threads(threads_before)


def _reason(
    sweep: Sweep, trial_id: str, config: "LoopConfig", data: "ImageDataset", device: str
) -> str | None:
    import torch

    from gan_core.rules import changed_rules

    since = sweep.rules_of(trial_id)
    reasons = []
    if rules := changed_rules(since, config, data.image_shape, torch.device(device)):
        reasons.append(f"an earlier version recorded {trial_id} and trained by other rules: now {rules}")
    if code := _changed_code(sweep, trial_id):
        reasons.append(f"the code has changed since {trial_id} was trained: {in_short(code)}")
    return "; ".join(reasons) or None


def _changed_code(sweep: Sweep, trial_id: str) -> list[str]:
    """Return how the user's own code differs from what a trial was trained with, each file as a part."""
    versions, its = sweep.facts.get(CODE, []), sweep.code_of(trial_id)
    if not its:
        return []
    paths = SweepSpec.model_validate(spec_in_effect(sweep.facts)).import_paths
    now = code_of(paths, [sweep.folder.parent]).version()
    found = (changes_of_code(versions[number - 1], now) for number in its)
    return [*dict.fromkeys(change for changes in found for change in changes)]
