from functools import cache

import pytest
import torch

from gan_core import Evaluator, ImageDataset, load_dataset


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits():
    """600 digits: a test on a CPU spends its time on the steps, not on the metrics."""
    whole = load_dataset("mnist-5k")
    return ImageDataset(
        "mnist-5k",
        whole.train[:400],
        whole.held_out[:200],
        train_labels=whole.train_labels[:400],
        held_out_labels=whole.held_out_labels[:200],
    )


@pytest.fixture(scope="session")
def evaluator_on(digits):
    """A function of a device that returns the evaluator of the digits on it."""
    return cache(lambda device: Evaluator(digits, device))
