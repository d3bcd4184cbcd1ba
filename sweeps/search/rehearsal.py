"""Try a sampler before a sweep starts, on trials with made-up scores."""

from random import Random

import optuna
from optuna.trial import Trial

from sweeps.search.samplers import check_suggestion, naming_the_sampler, sampler_for
from sweeps.spec.model import SweepSpec

N_TRIALS = 12
"""More than Optuna's samplers draw at random before they learn from scores."""


def rehearse(spec: SweepSpec) -> None:
    """Check that the sampler of a sweep suggests points of the search space.

    Raises:
        SamplerError: The sampler cannot be made, raises, or suggests a value outside of the search space.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    scores = Random(spec.seed)  # noqa: S311 - no secret
    study = optuna.create_study(directions=[metric.goal for metric in spec.metric])
    for number in range(N_TRIALS):
        study.sampler = sampler_for(spec, number)
        with naming_the_sampler(spec.method):
            trial = study.ask()
            params = spec.space.suggest(trial)
            check_suggestion(spec, params)
            _end(study, trial, [scores.uniform(10, 100) for _ in spec.metric])


def _end(study: optuna.Study, trial: Trial, values: list[float]) -> None:
    """End a trial with made-up scores; every third one is stopped early."""
    if trial.number % 3 or len(values) > 1:
        study.tell(trial, values)
    else:
        trial.report(values[0], 1)
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
