import pytest

from gan_core import Evaluator, load_dataset


@pytest.fixture(scope="session")
def digits():
    return load_dataset("mnist-5k")


@pytest.fixture(scope="session")
def evaluator(digits):
    return Evaluator(digits)
