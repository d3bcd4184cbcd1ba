"""Fit what the verdict knows about the noise of seeds to the recorded replicas.

``python -m benchmarks.verdict fit`` writes ``sweeps/analysis/seed_noise.json``.
"""

import json
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from benchmarks.replicas import TABLE
from benchmarks.verdict.simulation import limits
from gan_core.classifiers.weights import DIGITS
from sweeps.analysis.evidence import FILE, Kind
from sweeps.analysis.seed_noise import Array, Prior, log_evidence

METRIC = "fid"
LEAST_OMEGA = 0.4
LEAST_PI = 0.03
USUAL_SHIFT = 1.5
CAUTION = 1.2
"""The factor by which fitted deviations are raised: deviations that are too small cause errors."""
WIDER = 0.5
"""What is added to omega, in quadrature, in features that the replicas do not have."""
OWN = Prior(0.0, 0.5, 0.0, 0.0)
"""The prior in units of a sweep's own pooled deviation."""
SUGGESTED = Prior(log(0.22), 0.5, 0.03, USUAL_SHIFT)
"""What searches of digits showed before replicas were recorded. The fit starts there."""
LIKE_FINALISTS = 0.7
"""The largest fid, as a share of that of the tutorial's defaults, of a configuration like a finalist."""


def replicas(file: Path = TABLE) -> pd.DataFrame:
    """Return the final scores of the recorded replicas: a row per configuration, a column per seed."""
    rows = pd.read_parquet(file)
    finals = rows.groupby(["world", "configuration", "seed"])[f"final_{METRIC}"].first()
    return finals.unstack("seed")


def log_scores(file: Path = TABLE) -> pd.DataFrame:
    """Return the logarithms of :func:`replicas`."""
    table = replicas(file).astype(float)
    return pd.DataFrame(np.log(table.to_numpy()), table.index, table.columns)


def shares_of_defaults(scores: pd.DataFrame) -> pd.Series:
    """Return the geometric mean fid of each configuration, as a share of that of the defaults in its world.

    Args:
        scores: Log scores, a row per world and configuration.
    """
    means = scores.mean(axis=1)
    defaults = means.xs(0, level="configuration").reindex(means.index, level="world")
    return pd.Series(np.exp((means - defaults).to_numpy()), means.index)


def like_finalists(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the log scores of configurations as good as finalists: seeds vary more where fid is low."""
    return scores[shares_of_defaults(scores) <= LIKE_FINALISTS]


def fit(values: Array) -> Prior:
    """Return the prior with the largest marginal likelihood for log scores ``(K, S)``, without floors."""
    several = values[(~np.isnan(values)).sum(axis=1) > 1]
    if not len(several):
        return SUGGESTED

    def loss(parameters: Array) -> float:
        """Return minus the log evidence, with weak penalties that hold what few replicas do not determine."""
        m, log_omega, logit_pi, log_shift = parameters
        pi = 1 / (1 + np.exp(-logit_pi))
        held = (
            (log_omega - log(0.5)) ** 2 / 2
            + (log_shift - log(USUAL_SHIFT)) ** 2 / 0.5
            + (logit_pi + 3) ** 2 / 8
        )
        return float(held) - log_evidence(several, Prior(m, np.exp(log_omega), pi, np.exp(log_shift)))

    start = np.array([SUGGESTED.m, log(SUGGESTED.omega), -3.0, log(USUAL_SHIFT)])
    m, log_omega, logit_pi, log_shift = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 300}).x
    return Prior(
        float(m), float(np.exp(log_omega)), float(1 / (1 + np.exp(-logit_pi))), float(np.exp(log_shift))
    )


def cautious(prior: Prior) -> Prior:
    """Return a prior with floors, and with larger deviations."""
    floored = replace(prior, m=prior.m + log(CAUTION), omega=max(prior.omega, LEAST_OMEGA))
    return floored if prior.pi >= LEAST_PI else replace(floored, pi=LEAST_PI, shift=USUAL_SHIFT)


def shipped(prior: Prior) -> Prior:
    """Return the prior that the package ships: cautious, with deviations not below the suggested ones.

    The replicas are of short trainings of two losses. Sweeps of other losses and budgets may vary more, as
    earlier searches of digits did. A deviation that is too large costs power, one too small causes errors.
    """
    raised = replace(prior, m=max(prior.m, SUGGESTED.m), omega=max(prior.omega, SUGGESTED.omega))
    return cautious(raised)


def evidence(file: Path, repetitions: int) -> dict[str, Any]:
    """Return the content of ``seed_noise.json``.

    Raises:
        ValueError: A dataset is not one of digits, or the replicas have several extractors.
    """
    rows, scores = pd.read_parquet(file), log_scores(file)
    (extractor,) = rows["extractor"].unique()
    if not {*rows["dataset"]} <= {*DIGITS}:
        raise ValueError(
            f"replicas of {', '.join(rows['dataset'].unique())}: only {', '.join(DIGITS)} are known"
        )
    used = like_finalists(scores)
    fitted = fit(used.to_numpy())
    recorded = shipped(fitted)
    priors = {Kind.RECORDED: recorded, Kind.ELSEWHERE: recorded.wider(WIDER), Kind.OWN: OWN}
    return {
        "made_by": "python -m benchmarks.verdict fit",
        "metric": METRIC,
        "datasets": [*DIGITS],
        "extractor": extractor,
        "steps": [int(rows["steps"].min()), int(rows["steps"].max())],
        "configurations": len(scores),
        "replicas": int(scores.notna().sum().sum()),
        "configurations_like_finalists": len(used),
        "distance_of_two_seeds": round(distance_of_two_seeds(used.to_numpy()), 4),
        "fitted": _rounded(fitted),
        "priors": {kind: _rounded(prior) for kind, prior in priors.items()},
        "limits": {
            kind: limits(prior, repetitions, is_own=kind is Kind.OWN) for kind, prior in priors.items()
        },
    }


def distance_of_two_seeds(scores: Array) -> float:
    """Return the median distance of the scores ``(K, S)`` of two seeds of one configuration."""
    pairs = [np.abs(np.subtract.outer(row, row))[np.triu_indices(len(row), 1)] for row in scores]
    return float(np.nanmedian(np.concatenate(pairs)))


def _rounded(prior: Prior) -> dict[str, float]:
    return {name: round(value, 4) for name, value in prior.as_json().items()}


def write(file: Path = TABLE, output: Path = FILE, repetitions: int = 2000) -> None:
    """Fit, calibrate and write the data file."""
    output.write_text(json.dumps(evidence(file, repetitions), indent=1) + "\n")
