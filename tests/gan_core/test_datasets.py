import hashlib

import torch

from gan_core import load_dataset


def test_mnist_5k_is_split_by_class_and_always_the_same():
    data = load_dataset("mnist-5k")
    assert data.train.shape == (4000, 1, 28, 28)
    assert data.held_out.shape == (1000, 1, 28, 28)
    assert data.train.dtype == data.held_out.dtype == torch.uint8
    assert data.train_labels.bincount().tolist() == [400] * 10
    assert data.held_out_labels.bincount().tolist() == [100] * 10
    digest = hashlib.sha256(data.held_out.numpy().tobytes()).hexdigest()
    assert digest == "fb8e189a3c37b5f9dc83ce41dd4c5f7a66f945fa0ee69010abf460b9a3e5d2e4"


def test_no_held_out_digit_is_trained_on():
    data = load_dataset("mnist-5k")
    trained = {image.numpy().tobytes() for image in data.train}
    assert not any(image.numpy().tobytes() in trained for image in data.held_out)
