"""Metrics of generated images, each a function of features ``(N, F)`` or class logits ``(N, K)``."""

from gan_core.metrics.classes import class_kl, modes
from gan_core.metrics.frechet import Gaussian, frechet_distance
from gan_core.metrics.kernel import MeanEmbedding, kernel_distance
from gan_core.metrics.neighbours import (
    COVERAGE_NEIGHBOURS,
    Manifold,
    copies,
    memorisation,
    nearest_distances,
    precision_recall_coverage,
)

__all__ = [
    "COVERAGE_NEIGHBOURS",
    "Gaussian",
    "Manifold",
    "MeanEmbedding",
    "class_kl",
    "copies",
    "frechet_distance",
    "kernel_distance",
    "memorisation",
    "modes",
    "nearest_distances",
    "precision_recall_coverage",
]
