"""Metrics of the classes that a classifier predicts for generated images."""

from math import log

from torch import Tensor

MIN_SHARE = 0.01
MIN_RELATIVE_SHARE = 0.1


def modes(logits: Tensor) -> int:
    """Return the number of classes with at least 1 % of the samples, from 1 to ``K``.

    With more than 10 classes, the threshold is a tenth of an equal share: ``0.1 / K``.

    Args:
        logits: The samples' class logits, shape ``(N, K)``.
    """
    threshold = min(MIN_SHARE, MIN_RELATIVE_SHARE / logits.shape[1])
    return int((_shares(logits) >= threshold).sum())


def class_kl(logits: Tensor) -> float:
    r"""Return the KL divergence of the samples' classes from uniform, in nats: 0 to :math:`\log K`.

    .. math:: \sum_k p_k \log (p_k K)

    with :math:`p_k` the share of the samples with the predicted class :math:`k`. Metz et al., 2017
    (arXiv:1611.02163) measure mode collapse with it.

    Args:
        logits: The samples' class logits, shape ``(N, K)``.
    """
    shares = _shares(logits)
    shares = shares[shares > 0]
    return max(0.0, float((shares * shares.log()).sum()) + log(logits.shape[1]))


def _shares(logits: Tensor) -> Tensor:
    """Return the share of the samples that are predicted as each class: float64, shape ``(K,)``.

    Raises:
        ValueError: There are no samples.
    """
    if len(logits) == 0:
        raise ValueError("class shares need at least 1 sample, got 0")
    return logits.argmax(1).bincount(minlength=logits.shape[1]).double() / len(logits)
