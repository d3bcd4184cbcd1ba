"""Samplers as users write them, for tests; each begins from Optuna's random sampler."""

import sys

from optuna.samplers import RandomSampler

GIVEN = []
"""The arguments of every :class:`Halving` that was made."""

INSTANCE = RandomSampler(seed=1)


class Halving(RandomSampler):
    """Suggests the number ``shift`` below half of the best trial's; keeps nothing outside of the study."""

    def __init__(self, seed, shift=0.0):
        super().__init__(seed=seed)
        self._shift = shift
        GIVEN.append({"seed": seed, "shift": shift})

    def sample_independent(self, study, trial, name, distribution):
        scored = [each for each in study.get_trials(deepcopy=False) if each.value is not None]
        if name != "lr" or not scored:
            return super().sample_independent(study, trial, name, distribution)
        best = min(scored, key=lambda each: each.value).params["lr"]
        return max(distribution.low, best / 2 - self._shift)


def raising(seed, *, after=0):
    """Return a sampler that raises once ``after`` trials have a score."""

    class Raising(RandomSampler):
        def before_trial(self, study, trial):
            if len(study.get_trials(deepcopy=False)) > after:
                raise ZeroDivisionError("division by zero")

    return Raising(seed)


class Outside(RandomSampler):
    """Suggests numbers above the range."""

    def sample_independent(self, study, trial, name, distribution):
        value = super().sample_independent(study, trial, name, distribution)
        return value if isinstance(value, str) else distribution.high + 1


def unseeded():
    return RandomSampler()


def no_sampler(**_options):
    return 7


def needing(seed, length):
    return RandomSampler(seed)


def exiting(seed):
    """Return no sampler: the code exits."""
    sys.exit(3)
