"""Choose Optuna's sampler for a spec."""

import warnings
from hashlib import sha256

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler

from sweeps.spec.model import SweepSpec


def sampler_for(spec: SweepSpec, number: int) -> BaseSampler:
    """Return the sampler for one trial, seeded by its number; ``grid`` samples its points in random order."""
    seed = int.from_bytes(sha256(f"{spec.seed}/{number}/sampler".encode()).digest()[:4], "big")
    if spec.method == "gp":
        return GPSampler(seed=seed)
    if spec.method == "cmaes":
        return CmaEsSampler(seed=seed)
    if spec.method == "nsga2":
        return NSGAIISampler(seed=seed)
    if spec.method in {"random", "grid"}:
        return RandomSampler(seed=seed)
    has_conditions = any(domain.when for domain in spec.searched.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, group=has_conditions)
