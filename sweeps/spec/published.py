"""The settings that papers recommend for their losses, as first points: ``points: published``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sweeps.spec.domains import Domain, Scalar

PUBLISHED = "published"


@dataclass(frozen=True)
class PublishedSetting:
    """The hyperparameters of a paper's GAN.

    Args:
        source: The paper.
        params: The hyperparameters that are also parameters here, including ``loss``.
    """

    source: str
    params: Mapping[str, Scalar]


_ADAM_OF_DCGAN = {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999}

SETTINGS = (
    PublishedSetting(
        "DCGAN: Radford et al., 2016, arXiv:1511.06434",
        {"loss": "bce", "penalty": "none", **_ADAM_OF_DCGAN, "noise_dim": 100, "leaky_slope": 0.2},
    ),
    PublishedSetting(
        "LSGAN: Mao et al., 2017, arXiv:1611.04076",
        {"loss": "lsgan", "penalty": "none", "lr": 1e-3, "beta1": 0.5, "beta2": 0.999},
    ),
    PublishedSetting(
        "WGAN-GP: Gulrajani et al., 2017, arXiv:1704.00028",
        {
            "loss": "wasserstein",
            "penalty": "gradient-penalty",
            "penalty_weight": 10.0,
            "d_steps": 5,
            "lr": 1e-4,
            "beta1": 0.0,
            "beta2": 0.9,
        },
    ),
    PublishedSetting(
        "SAGAN: Zhang et al., 2019, arXiv:1805.08318",
        {
            "loss": "hinge",
            "penalty": "none",
            "spectral_norm": True,
            "lr": 1e-4,
            "lr_d": 4e-4,
            "beta1": 0.0,
            "beta2": 0.9,
        },
    ),
    PublishedSetting(
        "Relativistic GAN: Jolicoeur-Martineau, 2018, arXiv:1807.00734",
        {"loss": "relativistic", "penalty": "none", **_ADAM_OF_DCGAN},
    ),
    PublishedSetting(
        "R1: Mescheder et al., 2018, arXiv:1801.04406; its RMSProp is Adam without momentum",
        {
            "loss": "bce",
            "penalty": "r1",
            "penalty_weight": 10.0,
            "lr": 1e-4,
            "beta1": 0.0,
            "beta2": 0.99,
        },
    ),
)


def published_points(
    searched: Mapping[str, Domain], fixed: Mapping[str, Scalar | None]
) -> Iterator[dict[str, Scalar]]:
    """Yield the searched parameters of each published setting that lies in the search space.

    A setting lies outside if the sweep has another loss or penalty, or if the domain of a searched parameter
    does not contain the setting's value.

    Args:
        searched: The searched parameters.
        fixed: The values of all other parameters.
    """
    for setting in SETTINGS:
        objective = {name: setting.params[name] for name in ("loss", "penalty")}
        is_searched = all(name in searched or fixed[name] == value for name, value in objective.items())
        point = {name: value for name, value in setting.params.items() if name in searched}
        if is_searched and all(searched[name].contains(value) for name, value in point.items()):
            yield point
