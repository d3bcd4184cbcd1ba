"""Settings that papers recommend for their loss, as points to try first: ``points: published``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sweeps.spec.domains import Domain_, Scalar

PUBLISHED = "published"


@dataclass(frozen=True)
class Published:
    """What a paper trained its GAN with, in so far as it is a parameter here.

    Args:
        source: The paper.
        params: The parameters, ``loss`` among them.
    """

    source: str
    params: Mapping[str, Scalar]


_ADAM_OF_DCGAN = {"lr": 2e-4, "beta1": 0.5, "beta2": 0.999}

SETTINGS = (
    Published(
        "DCGAN: Radford et al., 2016, arXiv:1511.06434",
        {"loss": "bce", "penalty": "none", **_ADAM_OF_DCGAN, "noise_dim": 100, "leaky_slope": 0.2},
    ),
    Published(
        "LSGAN: Mao et al., 2017, arXiv:1611.04076",
        {"loss": "lsgan", "penalty": "none", "lr": 1e-3, "beta1": 0.5, "beta2": 0.999},
    ),
    Published(
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
    Published(
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
    Published(
        "Relativistic GAN: Jolicoeur-Martineau, 2018, arXiv:1807.00734",
        {"loss": "relativistic", "penalty": "none", **_ADAM_OF_DCGAN},
    ),
    Published(
        "R1: Mescheder et al., 2018, arXiv:1801.04406, whose RMSProp is Adam without momentum",
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
    searched: Mapping[str, Domain_], others: Mapping[str, Scalar | None]
) -> Iterator[dict[str, Scalar]]:
    """Yield the settings that lie in a space, each with what of it is searched.

    One is left out where its loss or penalty is not the sweep's, or where a searched parameter may not have
    its value.

    Args:
        searched: The searched parameters.
        others: The value that every other parameter has.
    """
    for setting in SETTINGS:
        kind = {name: setting.params[name] for name in ("loss", "penalty")}
        is_ours = all(name in searched or others[name] == value for name, value in kind.items())
        point = {name: value for name, value in setting.params.items() if name in searched}
        if is_ours and all(searched[name].contains(value) for name, value in point.items()):
            yield point
