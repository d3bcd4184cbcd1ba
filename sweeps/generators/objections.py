"""Find the reasons against giving a generator to others."""

from sweeps.analysis.sweep import Sweep
from sweeps.record.judging import constraints_of

LEAST_MEMORISATION = 0.5
"""The least memorisation score that passes the check: half the score of held-out images."""

MOST_COPIES = 0.05
"""The largest share of copies of training images that passes the check."""


def objections_to(sweep: Sweep, trial_id: str) -> list[str]:
    """Return the reasons against giving a generator to others, a clause each."""
    judged = sweep.judge(trial_id)
    against = [] if judged.is_significant else [judged.sentence("its gain over the defaults")]
    scores = sweep.scores_of(trial_id)
    broken = [each for each in constraints_of(sweep.facts) if (each.violation(scores) or 0) > 0]
    against += [
        f"its {each.metric} is {scores[each.metric]:.2g}, and the sweep requires {each}" for each in broken
    ]
    memorisation, copies = scores.get("memorisation"), scores.get("copies")
    if copies is not None and copies > MOST_COPIES:
        against.append(
            f"{copies:.2g} of its samples are copies of training images, and the check allows {MOST_COPIES:g}"
        )
    if memorisation is None:
        return [*against, "it has no memorisation score"]
    if not memorisation >= LEAST_MEMORISATION:
        against.append(
            f"its memorisation score is {memorisation:.2g}, and the check requires {LEAST_MEMORISATION:g}:"
            " lower scores mean copies of training images"
        )
    return against


def refusal(sweep: Sweep, trial_id: str, objections: list[str]) -> str:
    """Return the message that refuses an export: the reasons, and what to type."""
    lines = [f"{trial_id} cannot be exported without --force:", *objections]
    is_baseline = trial_id in set(sweep.trials["trial_id"][sweep.trials["is_baseline"]])
    if not sweep.judge(trial_id).is_significant and not is_baseline:
        more = " --until-resolved" if sweep.confirmed() else ""
        lines.append(f"gan-sweep confirm {sweep.name}{more} compares it with the defaults on fresh seeds")
    return "\n".join([*lines, "with --force, the model card names these reasons"])
