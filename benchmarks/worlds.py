"""Define the worlds: the datasets, networks, losses and budgets of recorded trainings."""

from dataclasses import dataclass

from scipy.stats import qmc

from sweeps.spec.domains import AnyDomain, Choice, IntUniform, LogUniform, Scalar, Uniform

Params = dict[str, Scalar]

MOST_CONFIGURATIONS = 256


@dataclass(frozen=True)
class World:
    """A dataset, networks and a budget: scores of one world are comparable.

    Args:
        dataset: The dataset's name.
        fixed: The parameters that all configurations share.
        space: The parameters that differ between configurations.
        first: The first configurations; ``{}`` has the tutorial's defaults.
        image_size: The height and width of the images, if they come from a folder.
    """

    dataset: str
    fixed: Params
    space: dict[str, AnyDomain]
    first: tuple[Params, ...] = ()
    image_size: int | None = None

    def configurations(self, n: int) -> list[Params]:
        """Return the first configurations, then a scrambled Sobol sequence over the space."""
        points = qmc.Sobol(len(self.space), scramble=True, rng=0).random(MOST_CONFIGURATIONS)
        spread = [
            {name: value_at(domain, u) for (name, domain), u in zip(self.space.items(), point, strict=True)}
            for point in points.tolist()
        ]
        return [self.fixed | params for params in [*self.first, *spread][:n]]


def value_at(domain: AnyDomain, u: float) -> Scalar:
    """Return the value of a domain at the quantile ``u`` in [0, 1)."""
    if isinstance(domain, Choice):
        return domain.values[int(u * len(domain.values))]
    if isinstance(domain, IntUniform):
        return domain.min + int(u * (domain.max - domain.min + 1))
    if isinstance(domain, LogUniform):
        return float(domain.min * (domain.max / domain.min) ** u)
    if isinstance(domain, Uniform):
        return float(domain.min + u * (domain.max - domain.min))
    raise TypeError(f"{type(domain).__name__} is not sampled")


SHARED: Params = {"batch_size": 64, "eval_samples": 2000, "final_samples": 5000}
MLP: Params = SHARED | {"architecture": "mlp", "steps": 1600, "report_every": 200}
DCGAN: Params = SHARED | {"architecture": "dcgan", "steps": 160, "report_every": 20}
SPACE: dict[str, AnyDomain] = {
    "noise_dim": IntUniform(min=16, max=128),
    "lr": LogUniform(distribution="log_uniform_values", min=2e-4, max=4e-3),
    "beta1": Uniform(min=0.0, max=0.7),
    "beta2": Choice(values=[0.99, 0.999]),
    "leaky_slope": Uniform(min=0.0, max=0.3),
}

GOOD_DCGAN: tuple[Params, ...] = (
    {"noise_dim": 64, "lr": 1e-3, "beta1": 0.3, "leaky_slope": 0.1},
    {"noise_dim": 32, "lr": 6e-4, "beta1": 0.1, "leaky_slope": 0.2},
    {"noise_dim": 100, "lr": 1.5e-3, "beta1": 0.5, "leaky_slope": 0.05},
)
GOOD_BCE: tuple[Params, ...] = (
    {"noise_dim": 71, "lr": 7.5e-4, "beta1": 0.05, "leaky_slope": 0.06},
    {"noise_dim": 51, "lr": 1.6e-3, "beta1": 0.2, "leaky_slope": 0.3},
    {"noise_dim": 32, "lr": 1.2e-3, "beta1": 0.1, "leaky_slope": 0.1},
)
GOOD_LSGAN: tuple[Params, ...] = (
    {"noise_dim": 31, "lr": 8.9e-4, "beta1": 0.4, "leaky_slope": 0.13},
    {"noise_dim": 62, "lr": 1.26e-3, "beta1": 0.39, "leaky_slope": 0.3},
    {"noise_dim": 110, "lr": 8.2e-4, "beta1": 0.47, "leaky_slope": 0.21},
)

REPLICATED = {
    "mlp-bce": World("mnist-5k", MLP | {"loss": "bce"}, SPACE, ({}, *GOOD_BCE)),
    "mlp-lsgan": World("mnist-5k", MLP | {"loss": "lsgan"}, SPACE, ({}, *GOOD_LSGAN)),
    "dcgan-bce": World("mnist-5k", DCGAN | {"loss": "bce"}, SPACE, ({}, *GOOD_DCGAN)),
    "dcgan-lsgan": World("mnist-5k", DCGAN | {"loss": "lsgan"}, SPACE, ({}, *GOOD_DCGAN)),
}
"""The worlds of the digits with several seeds for each configuration."""

GOOD_AVERAGED: tuple[Params, ...] = (
    {"noise_dim": 64, "lr": 1e-3, "beta1": 0.4, "leaky_slope": 0.15, "beta2": 0.99, "ema_decay": 0.99},
    {"noise_dim": 64, "lr": 1e-3, "beta1": 0.4, "leaky_slope": 0.15, "ema_decay": 0.99},
    {"noise_dim": 31, "lr": 8.9e-4, "beta1": 0.4, "leaky_slope": 0.13, "ema_decay": 0.99},
)
AVERAGED = {
    "mlp-lsgan-averaged": World(
        "mnist-5k",
        MLP | {"loss": "lsgan", "steps": 2400, "report_every": 300},
        SPACE
        | {
            "lr": LogUniform(distribution="log_uniform_values", min=3e-4, max=3e-3),
            "beta1": Uniform(min=0.0, max=0.6),
            "ema_decay": Choice(values=[0.0, 0.9, 0.99, 0.999]),
        },
        ({}, *GOOD_AVERAGED),
    )
}
"""The world of ``search_spaces/lsgan.yaml``; ``ema_decay`` also has the value of the defaults, 0."""

CHOSEN_ON_DIGITS: tuple[Params, ...] = (
    {"noise_dim": 54, "lr": 1.4e-3, "beta1": 0.19, "leaky_slope": 0.18},
    {"noise_dim": 110, "lr": 8.2e-4, "beta1": 0.47, "leaky_slope": 0.21},
    {"noise_dim": 32, "lr": 1.2e-3, "beta1": 0.1, "leaky_slope": 0.1},
    {"noise_dim": 56, "lr": 8.9e-3, "beta1": 0.35, "leaky_slope": 0.27},
    {"noise_dim": 41, "lr": 1e-3, "beta1": 0.16, "leaky_slope": 0.013},
)
"""What ``benchmarks.portfolio`` chose from the worlds of the digits alone, in its order."""

CIFAR = {
    name: World("cifar10", networks | {"loss": "bce"}, SPACE, ({}, *CHOSEN_ON_DIGITS), image_size=32)
    for name, networks in (("cifar10-mlp-bce", MLP), ("cifar10-dcgan-bce", DCGAN))
}
"""The worlds of a second dataset, which test what was chosen on the digits."""

WIDE_SPACE: dict[str, AnyDomain] = {
    "loss": Choice(values=["bce", "lsgan"]),
    "noise_dim": IntUniform(min=16, max=256),
    "lr": LogUniform(distribution="log_uniform_values", min=1e-5, max=1e-2),
    "beta1": Uniform(min=0.0, max=0.9),
    "leaky_slope": Uniform(min=0.0, max=0.4),
}
WIDE: Params = {"architecture": "mlp", "eval_samples": 2000, "final_samples": 128}

SPREAD = {
    "mlp-2000": World("mnist-5k", WIDE | {"batch_size": 64, "steps": 2000, "report_every": 125}, WIDE_SPACE),
    "mlp-lsgan-4000": World(
        "mnist-5k",
        WIDE | {"batch_size": 128, "steps": 4000, "report_every": 250},
        WIDE_SPACE | {"loss": Choice(values=["lsgan"])},
    ),
}
"""The worlds with many configurations, each trained with one seed."""

WORLDS = REPLICATED | AVERAGED | CIFAR | SPREAD
