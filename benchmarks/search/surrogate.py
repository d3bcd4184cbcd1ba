"""Predict the learning curve of a configuration: Gaussian processes fitted to recorded curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, log10
from warnings import catch_warnings, simplefilter

import numpy as np
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold

from benchmarks.recordings import Floats
from sweeps.spec.domains import AnyDomain, Choice, IntUniform, LogUniform, Scalar, Uniform

FOLDS = 10
COMPONENTS = 4

Space = Mapping[str, AnyDomain]


def features(space: Space, configurations: Sequence[Mapping[str, Scalar]]) -> Floats:
    """Return the surrogate's inputs ``(configurations, features)`` on a scale from 0 to 1.

    They are the parameters and lr / (1 - beta1): how far Adam moves in total for one gradient, with momentum.
    Whether a training fails depends on it.
    """
    return np.array([_of(space, params) for params in configurations], float)


def _of(space: Space, params: Mapping[str, Scalar]) -> list[float]:
    values = [value for name, domain in space.items() for value in _scaled(domain, params[name])]
    travel = float(params["lr"]) / (1 - float(params["beta1"]))
    return [*values, log10(travel / 1e-5) / 4]


def _scaled(domain: AnyDomain, value: Scalar) -> list[float]:
    if isinstance(domain, Choice):
        return [float(value == other) for other in domain.values[1:]]
    if isinstance(domain, LogUniform):
        return [log(float(value) / domain.min) / log(domain.max / domain.min)]
    if isinstance(domain, Uniform | IntUniform):
        return [(float(value) - domain.min) / (domain.max - domain.min)]
    raise TypeError(f"{type(domain).__name__} has no feature")


class CurveProcess:
    """Gaussian processes of the curves' principal components, each with a length scale per feature."""

    def __init__(self, x: Floats, curves: Floats) -> None:
        self._pca = PCA(min(COMPONENTS, *curves.shape)).fit(curves)
        kernel = ConstantKernel(1.0) * Matern(np.ones(x.shape[1]), (0.2, 20), nu=2.5) + WhiteKernel(0.1)
        process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=1, random_state=0)
        with catch_warnings():
            simplefilter("ignore", ConvergenceWarning)  # a length at its bound: the parameter does not matter
            self._processes = [clone(process).fit(x, scores) for scores in self._pca.transform(curves).T]

    def predict(self, x: Floats) -> Floats:
        """Return the expected curves ``(configurations, reports)``."""
        scores = np.column_stack([process.predict(x) for process in self._processes])
        return np.asarray(self._pca.inverse_transform(scores), float)


@dataclass(frozen=True)
class HeldOut:
    """Predicted and true log fids ``(configurations, reports)``, predicted by fits without them."""

    predicted: Floats
    true: Floats

    @property
    def r2(self) -> float:
        """R² of all log fids together."""
        return float(r2_score(self.true.ravel(), self.predicted.ravel()))

    @property
    def relative_error(self) -> float:
        """The median relative error of the fid."""
        return float(np.median(np.abs(np.expm1(self.predicted - self.true))))


def held_out(x: Floats, curves: Floats) -> HeldOut:
    """Predict every curve from the curves of the other folds."""
    predicted = np.empty_like(curves)
    for rest, fold in KFold(FOLDS, shuffle=True, random_state=0).split(x):
        predicted[fold] = CurveProcess(x[rest], curves[rest]).predict(x[fold])
    return HeldOut(predicted, curves)
