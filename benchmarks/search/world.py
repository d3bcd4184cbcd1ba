"""Build the worlds that searches are replayed in, from recorded trainings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.stats import qmc

from benchmarks.recordings import Floats, Recording, recording
from benchmarks.search.noise import SeedNoise
from benchmarks.search.surrogate import CurveProcess, HeldOut, features, held_out
from benchmarks.worlds import WORLDS, Params, value_at
from sweeps.spec.domains import AnyDomain, Choice, Scalar

REPORTS = 8
NEAR = 1.1
"""A configuration is near the best one if its noise-free fid is at most this many times the best one's."""
POINTS = 2**12
ROUNDS, LEADERS, COPIES = 6, 16, 32


class World(Protocol):
    """A model to replay trials from."""

    @property
    def fixed(self) -> Params:
        """The parameters that all trials share."""

    @property
    def space(self) -> dict[str, AnyDomain]:
        """The parameters to search."""

    @property
    def best(self) -> float:
        """The least fid of the space without noise."""

    def expected(self, params: Mapping[str, Scalar]) -> Floats:
        """Return the log fid of every report, without noise."""

    def luck(self, params: Mapping[str, Scalar], expected: Floats, rng: np.random.Generator) -> Floats:
        """Return the noise of one training, which is added to its expected log fid."""


@dataclass(frozen=True)
class Source:
    """The recordings of a world.

    Args:
        curves: The recorded worlds with the curves of many configurations.
        noise: For each loss, the recorded world with several seeds of each configuration. It has the same
            dataset, networks and loss, and its reports are at the same shares of a training.
    """

    curves: tuple[str, ...]
    noise: Mapping[str, str]

    @property
    def space(self) -> dict[str, AnyDomain]:
        """The space of the recorded worlds; it has their losses, if there are several."""
        rest = {name: domain for name, domain in WORLDS[self.curves[0]].space.items() if name != "loss"}
        return rest if len(self.noise) == 1 else {"loss": Choice(values=list(self.noise))} | rest

    @property
    def fixed(self) -> Params:
        """The parameters that all configurations share; a training has :data:`REPORTS` reports."""
        fixed = {name: value for name, value in WORLDS[self.curves[0]].fixed.items() if name != "loss"}
        losses: Params = {"loss": next(iter(self.noise))} if len(self.noise) == 1 else {}
        return fixed | losses | {"report_every": int(fixed["steps"]) // REPORTS}

    def recorded(self) -> Recording:
        """Return the curves."""
        return recording(self.curves, REPORTS)

    def seed_noise(self) -> dict[str, SeedNoise]:
        """Return the noise for each loss."""
        return {
            loss: SeedNoise.of(recording([world], REPORTS).means()[2]) for loss, world in self.noise.items()
        }


SOURCES = {
    "mlp": Source(("mlp-2000",), {"bce": "mlp-bce", "lsgan": "mlp-lsgan"}),
    "lsgan": Source(("mlp-lsgan-4000",), {"lsgan": "mlp-lsgan"}),
    "dcgan": Source(("dcgan-bce", "dcgan-lsgan"), {"bce": "dcgan-bce", "lsgan": "dcgan-lsgan"}),
    "cifar10": Source(("cifar10-mlp-bce",), {"bce": "cifar10-mlp-bce"}),
}
"""The worlds to replay searches in: three of the 5,000 digits, and an MLP on CIFAR-10."""

FIRST_DAY = Source(("mlp-lsgan-averaged",), {"lsgan": "mlp-lsgan-averaged"})
"""The world of ``search_spaces/lsgan.yaml``, of few configurations so far."""


@dataclass
class RecordedWorld:
    """A surrogate of recorded curves, and the noise of recorded seeds around it: a :class:`World`.

    Args:
        fixed: The parameters that all trials share.
        space: The parameters to search.
        process: The surrogate. Its own error is no noise: it is the same in all trials of a configuration.
        noise: The noise of the seeds for each loss.
    """

    fixed: Params
    space: dict[str, AnyDomain]
    process: CurveProcess
    noise: Mapping[str, SeedNoise]

    @classmethod
    def of(cls, source: Source) -> "RecordedWorld":
        """Fit the surrogate to the mean curve of every recorded configuration."""
        x, curves = data(source)
        return cls(source.fixed, source.space, CurveProcess(x, curves), source.seed_noise())

    def expected(self, params: Mapping[str, Scalar]) -> Floats:
        """Return the log fid of every report, without noise."""
        return np.asarray(self.all_expected([params])[0])

    def all_expected(self, configurations: Sequence[Mapping[str, Scalar]]) -> Floats:
        """Return the log fid of every report of many configurations, without noise."""
        return self.process.predict(features(self.space, configurations))

    def luck(self, params: Mapping[str, Scalar], expected: Floats, rng: np.random.Generator) -> Floats:
        """Return the noise of one training, which is added to its expected log fid."""
        return self._noise_of(params).draw(expected, rng)

    def least(self, params: Mapping[str, Scalar]) -> float:
        """Return the least fid that a training of a configuration can report."""
        expected = self.expected(params)
        return float(np.exp((expected + self._noise_of(params).least(expected)).min()))

    @cached_property
    def optimum(self) -> Params:
        """The best configuration without noise: the best of many points and of points around the best."""
        rng, scale = np.random.default_rng(0), 0.1
        points = self._points
        for _ in range(ROUNDS):
            leaders = points[np.argsort(self._levels(points))[:LEADERS]]
            around = np.repeat(leaders, COPIES, axis=0)
            around = np.clip(around + scale * rng.standard_normal(around.shape), 0, 1 - 1e-9)
            points, scale = np.concatenate([leaders, around]), scale / 2
        return self._at(points[np.argmin(self._levels(points))])

    @cached_property
    def best(self) -> float:
        """The least fid of the space without noise."""
        return float(np.exp(self.expected(self.optimum).min()))

    @cached_property
    def share_near(self) -> float:
        """The share of the space with a noise-free fid near the best one."""
        return float(np.mean(np.exp(self._levels(self._points)) <= NEAR * self.best))

    @property
    def spread(self) -> float:
        """The standard deviation of the best configuration's log fid over seeds."""
        return self._noise_of(self.optimum).spread(self.expected(self.optimum))

    def _noise_of(self, params: Mapping[str, Scalar]) -> SeedNoise:
        return self.noise[str((self.fixed | {**params})["loss"])]

    @cached_property
    def _points(self) -> Floats:
        return np.asarray(qmc.Sobol(len(self.space), scramble=True, rng=1).random(POINTS))

    def _levels(self, points: Floats) -> Floats:
        return np.asarray(self.all_expected([self._at(point) for point in points]).min(axis=1))

    def _at(self, point: Floats) -> Params:
        return {
            name: value_at(domain, float(u))
            for (name, domain), u in zip(self.space.items(), point, strict=True)
        }


def data(source: Source) -> tuple[Floats, Floats]:
    """Return the features and the mean curves of the recorded configurations."""
    firsts, means, _ = source.recorded().means()
    configurations: list[Any] = firsts[list(source.space)].to_dict("records")
    return features(source.space, configurations), means


def surrogate_error(source: Source) -> HeldOut:
    """Return the surrogate's predictions of configurations that it was not fitted to."""
    return held_out(*data(source))
