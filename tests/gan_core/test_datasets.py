import hashlib
import re

import numpy as np
import pytest
import torch

from gan_core import ImageDataset, load_dataset
from gan_core.datasets import check_dataset
from gan_core.errors import DatasetError, ImportPathError, UnknownNameError

GREY = torch.zeros(8, 1, 8, 12, dtype=torch.uint8)
LABELS = torch.zeros(8, dtype=torch.int64)


def test_mnist_5k_is_split_by_class_and_always_the_same():
    data = load_dataset("mnist-5k")
    assert data.train.shape == (4000, 1, 28, 28)
    assert data.held_out.shape == (1000, 1, 28, 28)
    assert data.train.dtype == data.held_out.dtype == torch.uint8
    assert data.train_labels.bincount().tolist() == [400] * 10
    assert data.held_out_labels.bincount().tolist() == [100] * 10
    digest = hashlib.sha256(data.held_out.numpy().tobytes()).hexdigest()
    assert digest == "fb8e189a3c37b5f9dc83ce41dd4c5f7a66f945fa0ee69010abf460b9a3e5d2e4"


def test_the_digest_depends_on_every_image_and_class_and_moves_with_the_images():
    data = ImageDataset("mine", GREY, GREY[:6], train_labels=LABELS, held_out_labels=LABELS[:6])
    same = ImageDataset("other name", GREY.clone(), GREY[:6], train_labels=LABELS, held_out_labels=LABELS[:6])
    assert data.digest == same.digest == data.to("meta").digest
    others = [
        ImageDataset("mine", GREY, GREY[:6]),
        ImageDataset("mine", GREY, GREY[:7], train_labels=LABELS, held_out_labels=LABELS[:7]),
        ImageDataset("mine", GREY, GREY[:6], train_labels=LABELS + 1, held_out_labels=LABELS[:6]),
        ImageDataset("mine", GREY + 1, GREY[:6], train_labels=LABELS, held_out_labels=LABELS[:6]),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_no_held_out_digit_is_trained_on():
    data = load_dataset("mnist-5k")
    trained = {image.numpy().tobytes() for image in data.train}
    assert not any(image.numpy().tobytes() in trained for image in data.held_out)


def test_labels_are_optional_and_move_with_the_images():
    data = ImageDataset("mine", GREY, GREY[:6])
    assert data.image_shape == (1, 8, 12)
    assert data.to("meta").train_labels is None
    labelled = ImageDataset("mine", GREY, GREY[:6], train_labels=LABELS, held_out_labels=LABELS[:6])
    moved = labelled.to("meta")
    tensors = (moved.train, moved.held_out, moved.train_labels, moved.held_out_labels)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": GREY.float()}, "mine: train must be a uint8 tensor, got torch.float32"),
        ({"held_out": GREY.numpy()}, "mine: held_out must be a uint8 tensor, got ndarray"),
        ({"train": GREY.squeeze(1)}, "train must have shape (N, 1 or 3, H, W), got (8, 8, 12)"),
        ({"train": GREY.expand(8, 2, 8, 12)}, "got (8, 2, 8, 12)"),
        ({"train": GREY[..., :10]}, "train: height and width must be multiples of 4, got 8 and 10"),
        ({"held_out": GREY[:1]}, "held_out must have at least 6 images, got 1"),
        ({"held_out": GREY[:, :, :4]}, "must have one image shape, got (1, 8, 12) and (1, 4, 12)"),
        ({"train_labels": LABELS.int()}, "train_labels must be None or an int64 tensor, got torch.int32"),
        ({"train_labels": [0] * 8}, "train_labels must be None or an int64 tensor, got list"),
        ({"held_out_labels": LABELS[:7]}, "held_out_labels must have shape (8,), one label per image"),
        ({"held_out_labels": None}, "train and held_out must both have labels, or neither"),
    ],
)
def test_a_dataset_that_no_gan_can_learn_is_refused(changed, message):
    whole = {"train": GREY, "held_out": GREY, "train_labels": LABELS, "held_out_labels": LABELS}
    with pytest.raises(DatasetError, match=re.escape(message)):
        ImageDataset("mine", **(whole | changed))


def load_mine():
    return ImageDataset("mine", GREY, GREY[:6])


def load_array():
    return np.zeros(3)


def test_a_function_of_ones_own_is_a_dataset():
    assert load_dataset(f"{__name__}:load_mine").train is GREY
    with pytest.raises(DatasetError, match=r":load_array must return an ImageDataset, got ndarray"):
        load_dataset(f"{__name__}:load_array")
    with pytest.raises(ImportPathError, match="has no 'load_min'; did you mean 'load_mine'"):
        check_dataset(f"{__name__}:load_min")


def test_an_unknown_dataset_lists_what_may_stand_there():
    allowed = (
        "cifar10, fashion-mnist, kmnist, mnist, mnist-5k, folder:PATH, MODULE:NAME; did you mean 'mnist'?"
    )
    with pytest.raises(UnknownNameError, match=re.escape(f"unknown dataset 'minst'; allowed: {allowed}")):
        load_dataset("minst")


@pytest.mark.parametrize(("spare_bytes", "device"), [(0, "meta"), (-1, "cpu")])
def test_data_that_needs_more_than_half_of_the_memory_stays_in_place(monkeypatch, spare_bytes, device):
    monkeypatch.setattr(
        "gan_core.datasets._image_dataset.gpu_memory", lambda _device: 4 * GREY.nbytes + spare_bytes
    )
    assert ImageDataset("grey", GREY, GREY).to_if_it_fits("meta").train.device.type == device
