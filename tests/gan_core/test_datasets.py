import hashlib
import re
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from gan_core import ImageDataset, load_dataset
from gan_core.datasets import check_dataset
from gan_core.errors import DatasetError, ImportPathError, UnknownNameError

GREY = torch.zeros(6, 1, 8, 12, dtype=torch.uint8)
LABELS = torch.zeros(6, dtype=torch.int64)


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
    data = ImageDataset("mine", GREY, GREY[:2], train_labels=LABELS, held_out_labels=LABELS[:2])
    same = ImageDataset("other name", GREY.clone(), GREY[:2], train_labels=LABELS, held_out_labels=LABELS[:2])
    assert data.digest == same.digest == data.to("meta").digest
    others = [
        ImageDataset("mine", GREY, GREY[:2]),
        ImageDataset("mine", GREY, GREY[:3], train_labels=LABELS, held_out_labels=LABELS[:3]),
        ImageDataset("mine", GREY, GREY[:2], train_labels=LABELS + 1, held_out_labels=LABELS[:2]),
        ImageDataset("mine", GREY + 1, GREY[:2], train_labels=LABELS, held_out_labels=LABELS[:2]),
    ]
    assert len({data.digest, *(other.digest for other in others)}) == 5


def test_no_held_out_digit_is_trained_on():
    data = load_dataset("mnist-5k")
    trained = {image.numpy().tobytes() for image in data.train}
    assert not any(image.numpy().tobytes() in trained for image in data.held_out)


def test_labels_are_optional_and_move_with_the_images():
    data = ImageDataset("mine", GREY, GREY[:2])
    assert data.image_shape == (1, 8, 12)
    assert data.to("meta").train_labels is None
    labelled = ImageDataset("mine", GREY, GREY[:2], train_labels=LABELS, held_out_labels=LABELS[:2])
    moved = labelled.to("meta")
    tensors = (moved.train, moved.held_out, moved.train_labels, moved.held_out_labels)
    assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": GREY.float()}, "mine: train must be a uint8 tensor, got torch.float32"),
        ({"held_out": GREY.numpy()}, "mine: held_out must be a uint8 tensor, got ndarray"),
        ({"train": GREY.squeeze(1)}, "train must have shape (N, 1 or 3, H, W), got (6, 8, 12)"),
        ({"train": GREY.expand(6, 2, 8, 12)}, "got (6, 2, 8, 12)"),
        ({"train": GREY[..., :10]}, "train: height and width must be multiples of 4, got 8 and 10"),
        ({"held_out": GREY[:1]}, "held_out must have at least 2 images, got 1"),
        ({"held_out": GREY[:, :, :4]}, "must have one image shape, got (1, 8, 12) and (1, 4, 12)"),
        ({"train_labels": LABELS.int()}, "train_labels must be None or an int64 tensor, got torch.int32"),
        ({"train_labels": [0] * 6}, "train_labels must be None or an int64 tensor, got list"),
        ({"held_out_labels": LABELS[:3]}, "held_out_labels must have shape (6,), one label per image"),
        ({"held_out_labels": None}, "train and held_out must both have labels, or neither"),
    ],
)
def test_a_dataset_that_no_gan_can_learn_is_refused(changed, message):
    whole = {"train": GREY, "held_out": GREY, "train_labels": LABELS, "held_out_labels": LABELS}
    with pytest.raises(DatasetError, match=re.escape(message)):
        ImageDataset("mine", **(whole | changed))


def load_mine():
    return ImageDataset("mine", GREY, GREY[:2])


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


def paint(file, size=(9, 7), colour=(200, 100, 50), **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file, **options)


def paint_many(folder, n, **options):
    for number in range(n):
        paint(folder / f"{number:02d}.png", colour=(number, 0, 255 - number), **options)


load_small = partial(load_dataset, image_size=8)


def test_every_fifth_image_of_a_folder_is_held_out_in_the_order_of_paths(tmp_path):
    paint_many(tmp_path / "one" / "deep", 6)
    for suffix in ("JPG", "jpeg", "webp", "bmp", "gif", "txt"):
        file = tmp_path / f"z.{suffix}"
        paint(file, format={"txt": "PNG", "JPG": "JPEG"}.get(suffix, suffix))
    paint(tmp_path / ".hidden" / "a.png")
    data = load_small(f"folder:{tmp_path}")
    assert data.name == f"folder:{tmp_path}"
    assert (data.train.shape, data.held_out.shape) == ((9, 3, 8, 8), (2, 3, 8, 8))
    assert data.train[:, 0, 0, 0].tolist()[:5] == [0, 1, 2, 3, 5]
    assert data.held_out[0, 0, 0, 0] == 4
    assert data.train_labels is data.held_out_labels is None


def test_first_level_folders_are_classes_and_a_fifth_of_each_is_held_out(tmp_path):
    for name, n in (("cats", 10), ("ants/small", 5), ("dogs", 15)):
        paint_many(tmp_path / name, n)
    data = load_small(f"folder:{tmp_path}")
    assert data.train_labels.tolist() == [0] * 4 + [1] * 8 + [2] * 12
    assert data.held_out_labels.tolist() == [0] + [1] * 2 + [2] * 3
    assert data.train[4:12, 0, 0, 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8]


@pytest.mark.parametrize("loose", [True, False])
def test_without_two_folders_that_hold_all_images_there_are_no_classes(tmp_path, loose):
    paint_many(tmp_path / "cats", 10)
    if loose:
        paint_many(tmp_path / "dogs", 10)
        paint(tmp_path / "loose.png")
    assert load_small(f"folder:{tmp_path}").train_labels is None


def test_images_are_cropped_to_the_centre_of_their_longer_side(tmp_path):
    stripes = np.zeros((16, 48, 3), dtype=np.uint8)
    stripes[:, :16, 0], stripes[:, 16:32, 1], stripes[:, 32:, 2] = 255, 255, 255
    for number in range(5):
        Image.fromarray(stripes).save(tmp_path / f"{number}.png")
        Image.fromarray(stripes.transpose(1, 0, 2)).save(tmp_path / f"{number}-upright.png")
    data = load_dataset(f"folder:{tmp_path}", image_size=16)
    assert (data.train == torch.tensor([0, 255, 0]).view(1, 3, 1, 1)).all()


def test_a_folders_default_is_64_pixels_in_colour(tmp_path):
    paint_many(tmp_path, 10)
    assert load_dataset(f"folder:{tmp_path}").image_shape == (3, 64, 64)
    assert load_dataset(f"folder:{tmp_path}", image_size=12, channels=1).image_shape == (1, 12, 12)


def test_grey_16_bit_transparent_and_turned_images_are_what_they_look_like(tmp_path):
    paint_many(tmp_path, 10)
    Image.fromarray(np.full((8, 8), 128, dtype=np.uint8)).save(tmp_path / "00.png")
    Image.fromarray(np.full((8, 8), 128 * 256, dtype=np.uint16)).save(tmp_path / "01.png")
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "02.png")
    Image.new("P", (8, 8)).save(tmp_path / "03.png", transparency=b"\x00" * 256)
    halves = Image.fromarray(np.repeat(np.uint8([[0], [255]]), 8, axis=1).repeat(4, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 3
    halves.save(tmp_path / "05.png", exif=exif)
    grey = load_dataset(f"folder:{tmp_path}", image_size=8, channels=1).train
    assert [int(image.unique()) for image in grey[:4]] == [128, 128, 255, 255]
    assert grey[4, 0, :, 0].tolist() == [255] * 4 + [0] * 4


def test_a_turned_16_bit_image_is_turned(tmp_path):
    paint_many(tmp_path, 10)
    halves = np.repeat(np.uint16([[0], [65535]]), 8, axis=1).repeat(4, axis=0)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(halves).save(tmp_path / "00.png", exif=exif)
    grey = load_dataset(f"folder:{tmp_path}", image_size=8, channels=1).train
    assert grey[0, 0, :, 0].tolist() == [255] * 4 + [0] * 4


def test_a_class_without_an_image_to_train_on_is_named(tmp_path):
    paint_many(tmp_path / "ants", 4)
    paint_many(tmp_path / "bees", 1)
    paint_many(tmp_path / "cats", 10)
    with pytest.raises(
        DatasetError, match=r"/bees: every fifth image is held out, leaving no training image"
    ):
        load_small(f"folder:{tmp_path}")


def test_a_folder_is_read_the_same_every_time(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        noise = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    first, second = load_small(f"folder:{tmp_path}"), load_small(f"folder:{tmp_path}")
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.held_out, second.held_out)


def test_a_folders_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    assert check_dataset(f"folder:{tmp_path.name}") == f"folder:{tmp_path}"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("folder:", {}, "folder: needs a path: type folder:PATH"),
        ("folder:{}/nowhere", {}, "there is no directory {}/nowhere"),
        ("folder:{}/0.txt", {}, "there is no directory {}/0.txt"),
        (
            "folder:{}",
            {},
            "{} has 9 images (.png, .jpg, .jpeg, .webp, .bmp, .gif), but a dataset needs at least 10",
        ),
        ("folder:{}", {"image_size": 30}, "image_size must be a multiple of 4 from 4 to 1024, got 30"),
        ("folder:{}", {"image_size": 0}, "got 0"),
        ("folder:{}", {"image_size": 2048}, "got 2048"),
        ("folder:{}", {"channels": 4}, "channels must be 1 (grey) or 3 (colour), got 4"),
        (
            "mnist-5k",
            {"image_size": 32},
            "image_size and channels work only with folder:PATH, the dataset is",
        ),
        ("mnist-5k", {"channels": 1}, "image_size and channels work only with folder:PATH"),
    ],
)
def test_a_bad_folder_or_size_is_refused_with_what_is_allowed(tmp_path, name, options, message):
    paint_many(tmp_path, 9)
    (tmp_path / "0.txt").touch()
    with pytest.raises(DatasetError, match=re.escape(message.format(tmp_path))):
        load_dataset(name.format(tmp_path), **options)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_an_image_that_cannot_be_read_is_named(tmp_path, content):
    paint_many(tmp_path, 12, size=(300, 300))
    file = tmp_path / "07.png"
    file.write_bytes(file.read_bytes()[:150] if content is None else content)
    with pytest.raises(
        DatasetError, match=rf"^{re.escape(str(file))} cannot be read as an image \(.*: repair or remove it"
    ):
        load_small(f"folder:{tmp_path}")


@pytest.mark.parametrize(("spare_bytes", "device"), [(0, "meta"), (-1, "cpu")])
def test_data_that_needs_more_than_half_of_the_free_memory_stays_in_place(monkeypatch, spare_bytes, device):
    monkeypatch.setattr(
        "gan_core.datasets._image_dataset.free_bytes", lambda _device: 4 * GREY.nbytes + spare_bytes
    )
    assert ImageDataset("grey", GREY, GREY).to_if_it_fits("meta").train.device.type == device
