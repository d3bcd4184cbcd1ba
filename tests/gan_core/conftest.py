import pytest
import torch

from gan_core import Evaluator, load_dataset


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small batches are slower on two, and round as they do on one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits():
    return load_dataset("mnist-5k")


@pytest.fixture(scope="session")
def evaluator(digits):
    return Evaluator(digits)
