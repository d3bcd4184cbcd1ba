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
from benchmarks.verdict_simulation import limits
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
ENOUGH = 200
"""With fewer replicas the fit is provisional, and deviations are not taken below the suggested ones."""


def replicas(file: Path = TABLE) -> pd.DataFrame:
    """Return the final scores of the recorded replicas: a row per configuration, a column per seed."""
    rows = pd.read_parquet(file)
    finals = rows.groupby(["world", "configuration", "seed"])[f"final_{METRIC}"].first()
    return finals.unstack("seed")


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


def not_below_the_suggested(prior: Prior) -> Prior:
    """Return a prior whose deviations are at least the suggested ones."""
    return replace(prior, m=max(prior.m, SUGGESTED.m), omega=max(prior.omega, SUGGESTED.omega))


def evidence(file: Path, repetitions: int) -> dict[str, Any]:
    """Return the content of ``seed_noise.json``."""
    table, rows = replicas(file), pd.read_parquet(file)
    fitted = fit(np.log(table.to_numpy(dtype=float)))
    n_replicas = int(table.notna().sum().sum())
    recorded = cautious(fitted if n_replicas >= ENOUGH else not_below_the_suggested(fitted))
    priors = {Kind.RECORDED: recorded, Kind.ELSEWHERE: recorded.wider(WIDER), Kind.OWN: OWN}
    return {
        "made_by": "python -m benchmarks.verdict fit",
        "metric": METRIC,
        "extractor": rows["extractor"].iloc[0],
        "configurations": len(table),
        "replicas": n_replicas,
        "is_provisional": n_replicas < ENOUGH,
        "fitted": _rounded(fitted),
        "priors": {kind: _rounded(prior) for kind, prior in priors.items()},
        "limits": {
            kind: limits(prior, repetitions, is_own=kind is Kind.OWN) for kind, prior in priors.items()
        },
    }


def _rounded(prior: Prior) -> dict[str, float]:
    return {name: round(value, 4) for name, value in prior.as_json().items()}


def write(file: Path = TABLE, output: Path = FILE, repetitions: int = 2000) -> None:
    """Fit, calibrate and write the data file."""
    output.write_text(json.dumps(evidence(file, repetitions), indent=1) + "\n")
