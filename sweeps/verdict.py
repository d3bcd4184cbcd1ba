"""What a sweep has found, in one sentence."""

from dataclasses import dataclass

from sweeps.ranking import Sweep
from sweeps.status import Status
from sweeps.words import counted


@dataclass(frozen=True)
class Estimate:
    """A configuration's score.

    Args:
        value: Of one training, or the mean of several.
        interval: Where the mean lies, of trainings from several seeds; None where there was one training.
    """

    value: float
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        between = (
            "" if self.interval is None else f" ({number(self.interval[0])} to {number(self.interval[1])})"
        )
        return f"{number(self.value)}{between}"


def verdict(sweep: Sweep) -> str:
    """Return the best trial, its score, the floor, the gain over the defaults, and whether that is noise."""
    summary = sweep.summary()
    best, baseline = summary["best"], summary["baseline"]
    if best is None:
        return _without_a_score(sweep)
    metric, trials = sweep.metric, counted(sum(summary["trials"].values()), "trial")
    score = f"with a {metric} of {number(best[metric])} ({best['samples']:,} samples)"
    found = f"{_so_far(sweep)}{best['trial_id']} is the best of {trials}, {score}"
    floor = (summary["floors"] or {}).get(metric)
    real = "" if floor is None else f"; real images have {number(floor)}"
    if baseline is None:
        return f"{found}{real}."
    if baseline["trial_id"] == best["trial_id"]:
        return f"{found}, and it is the tutorial's defaults{real}."
    comparable = metric if baseline["samples"] == best["samples"] else f"search_{metric}"
    scores = Estimate(best[comparable]), Estimate(baseline[comparable])
    gain = _gain(*scores, less_is_better=sweep.less_is_better)
    return f"{found}, {gain}{real}; {noise(*scores)}."


def noise(best: Estimate, defaults: Estimate) -> str:
    """Return whether a gain over the defaults is more than the luck of a seed, as the end of a sentence."""
    if best.interval is None or defaults.interval is None:
        return (
            "whether that gain is beyond the noise cannot be told, as each configuration was trained once and"
            " by how much two seeds differ is unknown"
        )
    apart = best.interval[1] < defaults.interval[0] or defaults.interval[1] < best.interval[0]
    if apart:
        return "that gain is beyond the noise, as the intervals over seeds do not overlap"
    return "that gain may be noise, as the intervals over seeds overlap"


def number(value: float) -> str:
    """Return a score as people read it.

    >>> number(1234.4), number(208.83), number(7.134)
    ('1,234', '208.8', '7.134')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _gain(best: Estimate, defaults: Estimate, *, less_is_better: bool) -> str:
    """Return the gain as a ratio; as a difference where there is none, as of a recall of 0."""
    word = "lower" if less_is_better else "higher"
    least, greatest = sorted((best.value, defaults.value))
    if least > 0:
        return f"{greatest / least:.1f} times {word} than the {defaults} of the tutorial's defaults"
    return f"{number(greatest - least)} {word} than the {defaults} of the tutorial's defaults"


def _so_far(sweep: Sweep) -> str:
    return "So far, " if sweep.facts["status"] == Status.RUNNING else ""


def _without_a_score(sweep: Sweep) -> str:
    counts = sweep.summary()["trials"]
    told = ", ".join(f"{count} {Status(status).words}" for status, count in counts.items())
    found = f"no trial has a score: {told}" if counts else "no trial has started"
    sentence = f"{_so_far(sweep)}{found}."
    return f"{sentence[0].upper()}{sentence[1:]}"
