"""Find out why a search that asks for further seeds of its best configurations has trained none."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from gan_core.errors import GanCoreError
from sweeps.analysis.search_scores import first_trainings
from sweeps.analysis.sweep import Sweep
from sweeps.errors import SweepError
from sweeps.record.reading import overall_status, spec_in_effect
from sweeps.record.status import Status
from sweeps.spec.model import SEEDS_SHARE, SweepSpec
from sweeps.words import counted


def without_further_seeds(sweep: Sweep) -> str | None:
    """Return why a finished search that asks for further seeds has trained none, in a clause.

    Returns:
        The clause; None if the search has not ended, asks for no further seeds, or has trained some.
    """
    spec = spec_in_effect(sweep.facts)
    if (spec.get("early_terminate") or {}).get("seeds", 1) == 1:
        return None
    is_over = overall_status(sweep.facts) is Status.COMPLETED
    if not is_over or len(first_trainings(sweep.trials)) < len(sweep.trials):
        return None
    return f"no configuration was trained on a further seed: {_reason(sweep, spec)}"


def _reason(sweep: Sweep, spec: Mapping[str, Any]) -> str:
    board = sweep.rank()
    completed = board[board["trial_id"].isin(sweep.with_final)]
    if not len(completed):
        return "no trial was trained to its last step"
    if "feasible" in completed and completed["feasible"].isin([False]).all():
        return "no trial that was trained to its last step meets the constraints"
    if int(spec["trials"] * SEEDS_SHARE) == 0:
        return f"a quarter of {counted(spec['trials'], 'trial')} is less than one"
    if _seed_trials(spec) == 0:
        return "the points to try first leave no trial for it"
    return "no trial had been trained to its last step when the last trial began"


def _seed_trials(spec: Mapping[str, Any]) -> int | None:
    """Return the number of trials that are meant for further seeds; None if the spec cannot be read here."""
    with suppress(ValidationError, GanCoreError, SweepError):
        return SweepSpec.model_validate(spec).seed_trials
    return None
