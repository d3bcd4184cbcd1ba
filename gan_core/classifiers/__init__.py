"""Classifiers of a dataset's images: their networks, their training and their weights."""

from gan_core.classifiers.networks import Classifier, ResidualClassifier
from gan_core.classifiers.training import OnProgress, accuracy, train_classifier
from gan_core.classifiers.weights import classifier_bytes, load_classifier

__all__ = [
    "Classifier",
    "OnProgress",
    "ResidualClassifier",
    "accuracy",
    "classifier_bytes",
    "load_classifier",
    "train_classifier",
]
