"""What a classifier makes of generated images."""

from math import log

from torch import Tensor

MIN_SHARE = 0.01
MIN_RELATIVE_SHARE = 0.1


def modes(logits: Tensor) -> int:
    """Return the number of classes that at least 1 % of the samples are assigned to, from 1 to ``K``.

    Of more than 10 classes, each must have a tenth of an equal share, ``1 / K``.

    Args:
        logits: Of the samples' classes, shape ``(N, K)``.
    """
    least = min(MIN_SHARE, MIN_RELATIVE_SHARE / logits.shape[1])
    return int((_shares(logits) >= least).sum())


def class_kl(logits: Tensor) -> float:
    r"""Return how far the samples' classes are from equally frequent, in nats: 0 to :math:`\log K`.

    .. math:: \sum_k p_k \log (p_k K)

    with :math:`p_k` the share of the samples that are assigned to class :math:`k`: the Kullback-Leibler
    divergence from the uniform distribution, as Metz et al., 2017 (arXiv:1611.02163) measure it.

    Args:
        logits: Of the samples' classes, shape ``(N, K)``.
    """
    shares = _shares(logits)
    shares = shares[shares > 0]
    return max(0.0, float((shares * shares.log()).sum()) + log(logits.shape[1]))


def _shares(logits: Tensor) -> Tensor:
    """Return the share of the samples that each class is the likeliest of.

    Raises:
        ValueError: There are no samples.
    """
    if len(logits) == 0:
        raise ValueError("the classes of samples need at least 1 sample")
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double() / len(logits)
