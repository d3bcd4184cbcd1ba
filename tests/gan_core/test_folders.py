import os
import re
import struct
import subprocess
import sys
import zlib
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from gan_core import load_dataset
from gan_core.datasets import CONTENT_SPLIT, check_dataset
from gan_core.errors import DatasetError, ExtractorUnavailableError

load_small = partial(load_dataset, image_size=8)


pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def photos(tmp_path):
    return tmp_path / "photos"


def paint(file, size=(9, 7), colour=(200, 100, 50), **options):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(file, **options)


def paint_many(folder, n, start=0, suffix="png", **options):
    """Paint images that differ; the grey value of each one is its number."""
    for number in range(start, start + n):
        paint(folder / f"{number:03d}.{suffix}", colour=(number,) * 3, **options)


def reds(images):
    return sorted(images[:, 0, 0, 0].tolist())


def test_a_fifth_of_a_folder_is_held_out(photos):
    paint_many(photos / "one" / "deep", 33)
    data = load_small(f"folder:{photos}")
    assert data.name == f"folder:{photos}"
    assert (data.train.shape, data.held_out.shape) == ((27, 3, 8, 8), (6, 3, 8, 8))
    assert sorted(reds(data.train) + reds(data.held_out)) == list(range(33))
    assert data.train_labels is data.held_out_labels is None
    assert data.split == CONTENT_SPLIT
    (remark,) = data.remarks
    assert remark.startswith("no classes, because all images lie in one/: ")


def test_first_level_folders_are_classes_and_a_fifth_of_each_is_held_out(photos):
    for place, (name, n) in enumerate((("cats", 10), ("ants/small", 5), ("dogs", 15))):
        paint_many(photos / name, n, start=50 * place)
    data = load_small(f"folder:{photos}")
    assert data.train_labels.tolist() == [0] * 4 + [1] * 8 + [2] * 12
    assert data.held_out_labels.tolist() == [0] + [1] * 2 + [2] * 3
    assert all(red < 50 for red in reds(data.train[4:12]))


def test_the_held_out_images_are_chosen_by_content_and_not_by_name_or_place(photos, tmp_path):
    paint_many(photos, 40)
    before = set(reds(load_small(f"folder:{photos}").held_out))
    assert before != set(range(4, 40, 5))
    for number in range(40):
        (photos / f"{number:03d}.png").rename(photos / f"{(number * 7) % 40:03d}-moved.png")
    assert set(reds(load_small(f"folder:{photos}").held_out)) == before
    paint(photos / "0-new.png", colour=(250, 1, 1))
    assert len(set(reds(load_small(f"folder:{photos}").held_out)) - before) <= 1


def test_views_of_one_object_are_not_held_out_together(photos):
    for thing in range(20):
        for view in range(5):
            paint(photos / f"{thing:02d}-{view}.png", colour=(10 * thing, 50 * view, 0))
    views = {int(image[1, 0, 0]) for image in load_small(f"folder:{photos}").held_out}
    assert views == {0, 50, 100, 150, 200}


def test_small_classes_hold_out_a_fifth_of_all_images_and_keep_one_to_train_on(photos):
    for number in range(20):
        paint_many(photos / f"{number:02d}", 1 + number % 3, start=5 * number)
    data = load_small(f"folder:{photos}")
    assert len(data.held_out) == (len(data.train) + len(data.held_out)) // 5 == 7
    assert set(data.train_labels.tolist()) == set(range(20))
    assert data.held_out_labels.bincount().max() == 1


def test_copies_are_on_one_side_and_are_counted(photos):
    paint_many(photos / "a", 40)
    for number in range(0, 40, 2):
        paint(photos / "a" / f"copy-{number}.bmp", colour=(number,) * 3)
    paint(photos / "b" / "again.png", colour=(3,) * 3)
    paint_many(photos / "b", 10, start=100)
    data = load_small(f"folder:{photos}")
    assert not set(reds(data.train)) & set(reds(data.held_out))
    assert data.remarks == ("21 images are copies of others; copies are on one side of the split",)


def test_without_two_folders_that_hold_all_images_there_are_no_classes(photos):
    paint_many(photos / "cats", 30)
    data = load_small(f"folder:{photos}")
    assert (data.train_labels, data.remarks) == (None, ())
    paint_many(photos / "dogs", 10, start=40)
    paint(photos / "loose.png")
    data = load_small(f"folder:{photos}")
    remark = "no classes, because images lie beside the folders cats, dogs: loose.png"
    assert (data.train_labels, data.remarks) == (None, (remark,))
    with pytest.raises(
        ExtractorUnavailableError, match=rf"on \({remark}\): put the images of each class into"
    ):
        data.learnable_labels()


def test_images_beside_the_classes_of_a_part_are_named(photos):
    for name in ("train/cats", "train/dogs", "test/cats", "test/dogs"):
        paint_many(photos / name, 10, start=50 * len(list(photos.rglob("0*"))) // 10)
    paint(photos / "train" / "loose.png", colour=(255, 0, 0))
    data = load_small(f"folder:{photos}")
    assert data.train_labels is None
    assert data.remarks[1].endswith("beside the folders cats, dogs: train/loose.png")


@pytest.mark.parametrize("held_out", ["test", "val", "valid", "Validation", "testing", "eval"])
def test_folders_called_train_and_test_are_parts_and_not_classes(photos, held_out):
    for place, name in enumerate(("cats", "dogs")):
        paint_many(photos / "train" / name, 20, start=50 * place)
        paint_many(photos / held_out / name, 8, start=30 + 50 * place)
    data = load_small(f"folder:{photos}")
    assert (data.train_labels.tolist(), data.held_out_labels.tolist()) == (
        [0] * 20 + [1] * 20,
        [0] * 8 + [1] * 8,
    )
    assert reds(data.held_out) == [*range(30, 38), *range(80, 88)]
    assert data.remarks == (f"train/: trained on; {held_out}/: held out",)
    assert data.split == "folders"


def test_parts_need_no_classes_and_validation_is_trained_on_beside_test(photos):
    for place, name in enumerate(("train", "val", "test")):
        paint_many(photos / name, 12, start=50 * place)
    paint(photos / "cover.png")
    data = load_small(f"folder:{photos}")
    assert reds(data.held_out) == [*range(100, 112)]
    assert data.train_labels is None
    assert data.remarks == (
        "train/ and val/: trained on; test/: held out",
        "left out: images beside these folders, cover.png",
    )


def test_a_part_alone_is_split_by_content_and_its_folders_are_classes(photos):
    for place, name in enumerate(("cats", "dogs")):
        paint_many(photos / "train" / name, 20, start=50 * place)
    data = load_small(f"folder:{photos}")
    assert data.held_out_labels.tolist() == [0] * 4 + [1] * 4
    assert data.split == CONTENT_SPLIT
    assert data.remarks == ("train/: a part of a dataset, not a class; a fifth of its images is held out",)


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (0, "test/ has no images: add some, or remove it"),
        (3, "part test/ has 3 different images .* at least 6"),
    ],
)
def test_a_part_without_enough_images_is_named(photos, n, message):
    paint_many(photos / "train", 40)
    (photos / "test").mkdir()
    paint_many(photos / "test", n, start=50)
    with pytest.raises(DatasetError, match=message):
        load_small(f"folder:{photos}")


def test_a_part_that_repeats_another_is_named(photos):
    for name in ("train/cats", "test/cats", "train/dogs", "test/dogs"):
        paint_many(photos / name, 20, start=50 * ("dogs" in name))
    message = "the classes cats, dogs have no images to train on: their images are also in test/; remove them"
    with pytest.raises(DatasetError, match=message):
        load_small(f"folder:{photos}")


def test_a_class_may_be_called_train(photos):
    for place, name in enumerate(("bus", "train")):
        paint_many(photos / name, 20, start=50 * place)
    data = load_small(f"folder:{photos}")
    assert data.train_labels.bincount().tolist() == [16, 16]


def test_copies_of_held_out_images_are_not_trained_on(photos):
    paint_many(photos / "train", 30)
    paint_many(photos / "test", 10, start=25)
    data = load_small(f"folder:{photos}")
    assert reds(data.train) == list(range(25))
    assert "left out: 5 training images that are copies of held-out ones" in data.remarks


def test_a_class_that_is_only_held_out_is_named(photos):
    for place, name in enumerate(("cats", "dogs")):
        paint_many(photos / "train" / name, 20, start=50 * place)
    paint_many(photos / "test" / "birds", 8, start=200)
    with pytest.raises(
        DatasetError, match="the class birds has no images to train on: all of them are in test/"
    ):
        load_small(f"folder:{photos}")


def test_links_are_followed_without_loops_and_without_doubling(photos, tmp_path):
    paint_many(photos / "a", 20)
    paint_many(tmp_path / "store" / "c", 20, start=50)
    paint(tmp_path / "single.png", colour=(200, 0, 0))
    (photos / "c").symlink_to(tmp_path / "store" / "c")
    (photos / "a" / "single.png").symlink_to(tmp_path / "single.png")
    (photos / "a" / "loop").symlink_to(photos)
    (photos / "again").symlink_to(photos / "a")
    (photos / "a" / "self.txt").symlink_to("self.txt")
    (tmp_path / "store" / "c" / "back").symlink_to(photos / "a")
    data = load_small(f"folder:{photos}")
    assert sorted(reds(data.train) + reds(data.held_out)) == [*range(20), *range(50, 70), 200]
    assert len(data.train_labels.unique()) == 2
    assert data.remarks == (
        "left out: 1 file without an image's suffix (1 .txt): a/self.txt",
        "left out: links to folders whose images are read already, a/loop, again, c/back",
    )


def test_a_folder_of_links_is_a_folder(photos, tmp_path):
    photos.mkdir()
    for place, name in enumerate("ab"):
        paint_many(tmp_path / "store" / name, 20, start=50 * place)
        (photos / name).symlink_to(tmp_path / "store" / name)
    assert load_small(f"folder:{photos}").train_labels.bincount().tolist() == [16, 16]


def test_every_usual_format_is_read_and_what_is_left_out_is_counted(photos):
    kinds = dict.fromkeys(("JPG", "jfif", "jpe"), "JPEG") | dict.fromkeys(("tif", "TIFF"), "TIFF")
    kinds |= {suffix: suffix.upper() for suffix in ("png", "webp", "bmp", "gif", "ppm", "tga", "avif")}
    kinds["jp2"] = "JPEG2000"
    for place, (suffix, kind) in enumerate(kinds.items()):
        paint_many(photos, 4, start=20 * place, suffix=suffix, format=kind)
    for name in ("a.heic", "b.heic", "notes.txt", "LICENSE"):
        (photos / name).touch()
    paint(photos / ".cache" / "a.png")
    paint(photos / "._000.png")
    (photos / ".DS_Store").touch()
    data = load_small(f"folder:{photos}")
    assert len(data.train) + len(data.held_out) == 4 * len(kinds)
    assert data.remarks == (
        "left out: 4 files without an image's suffix (2 .heic, 1 without a suffix, 1 .txt): LICENSE,"
        " a.heic, b.heic, notes.txt",
        "left out: hidden images and folders, ._000.png, .cache",
    )


def test_images_are_cropped_to_the_centre_of_their_longer_side(photos):
    stripes = np.zeros((16, 48, 3), dtype=np.uint8)
    stripes[:, :16, 0], stripes[:, 32:, 2] = 255, 255
    photos.mkdir()
    for number in range(30):
        stripes[:, 16:32, 1] = 100 + number
        Image.fromarray(stripes).save(photos / f"{number}.png")
        Image.fromarray(stripes.transpose(1, 0, 2)).save(photos / f"{number}-upright.png")
    data = load_dataset(f"folder:{photos}", image_size=16)
    assert (data.train[:, 1] >= 100).all()
    assert not data.train[:, (0, 2)].any()


def test_a_large_jpeg_is_decoded_at_a_smaller_scale_and_looks_the_same(photos):
    photos.mkdir()
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    for number in range(30):
        image = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(8 * number)), axis=2)
        Image.fromarray(image).save(photos / f"{number:02d}.jpg", quality=95)
        Image.fromarray(image).save(photos / f"{number:02d}.png")
    data = load_dataset(f"folder:{photos}", image_size=32)
    images = torch.cat([data.train, data.held_out]).int()
    shades = {}
    for image in images:
        shades.setdefault(round(float(image[2].float().mean()) / 8), []).append(image)
    assert all((a - b).abs().max() <= 6 for a, b in (pair for pair in shades.values() if len(pair) == 2))
    assert sum(len(pair) == 2 for pair in shades.values()) >= 25


def test_a_folders_default_is_64_pixels_in_colour(photos):
    paint_many(photos, 30)
    assert load_dataset(f"folder:{photos}").image_shape == (3, 64, 64)
    assert load_dataset(f"folder:{photos}", image_size=12, channels=1).image_shape == (1, 12, 12)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def as_png(image, *chunks, **options):
    """Return a PNG with more chunks after its header."""
    buffer = BytesIO()
    image.save(buffer, "PNG", **options)
    content = buffer.getvalue()
    return content[:33] + b"".join(chunk(*each) for each in chunks) + content[33:]


def as_jpeg(image, marker, content):
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=100, subsampling=0)
    segment = b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content
    return b"\xff\xd8" + segment + buffer.getvalue()[2:]


def read_one(photos, content, name="one.png", **options):
    """Return the pixels of a file as a folder with it holds them."""
    paint_many(photos, 40)
    before = load_small(f"folder:{photos}", **options)
    (photos / name).write_bytes(content)
    after = load_small(f"folder:{photos}", **options)
    known = {image.numpy().tobytes() for part in (before.train, before.held_out) for image in part}
    [found] = [
        image
        for part in (after.train, after.held_out)
        for image in part
        if image.numpy().tobytes() not in known
    ]
    return found


HALVES = np.repeat(np.uint8([[0], [255]]), 8, axis=1).repeat(4, axis=0)
TURNED = Image.Exif()
TURNED[0x0112] = 3


def png_of(array, **options):
    return as_png(Image.fromarray(array), **options)


def chunks_of_16_bits(mode, values, transparent):
    """Return a PNG with 16 bits a channel, and one transparent value, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 8, 8, 16, mode, 0, 0, 0)
    parts = (b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


GREY_16 = np.repeat(np.uint16([[1000], [128 * 256]]), 8, axis=1).repeat(4, axis=0)
RGB_16 = np.stack([GREY_16] * 3, axis=2).reshape(8, 24)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (png_of(np.full((8, 8), 128, dtype=np.uint8)), [128] * 8),
        (png_of(np.full((8, 8), 128 * 256 + 7, dtype=np.uint16)), [128] * 8),
        (as_png(Image.new("RGBA", (8, 8), (0, 0, 0, 0))), [255] * 8),
        (as_png(Image.new("P", (8, 8)), transparency=b"\x00" * 256), [255] * 8),
        (as_png(Image.fromarray(HALVES), transparency=0), [255] * 8),
        (chunks_of_16_bits(0, GREY_16, struct.pack(">H", 1000)), [255] * 4 + [128] * 4),
        (chunks_of_16_bits(2, RGB_16, struct.pack(">3H", 1000, 1000, 1000)), [255] * 4 + [128] * 4),
        (png_of(HALVES, exif=TURNED), [255] * 4 + [0] * 4),
        (png_of(GREY_16, exif=TURNED), [128] * 4 + [3] * 4),
    ],
)
def test_grey_16_bit_transparent_and_turned_images_are_what_they_look_like(photos, content, rows):
    assert read_one(photos, content, channels=1)[0, :, 0].tolist() == rows


def test_a_turned_tiff_is_turned_once(photos):
    buffer = BytesIO()
    Image.fromarray(HALVES).save(buffer, "TIFF", exif=TURNED)
    assert read_one(photos, buffer.getvalue(), "one.tif", channels=1)[0, :, 0].tolist() == [255] * 4 + [0] * 4


TEXT = b"Comment\0\0" + zlib.compress(b"x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1))
PROFILE = b"ICC\0\0" + zlib.compress(b"x" * (PngImagePlugin.MAX_TEXT_CHUNK + 1))


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"zTXt", TEXT)],
        [(b"zTXt", TEXT[:8] + zlib.compress(b"x" * (PngImagePlugin.MAX_TEXT_CHUNK - 9)))] * 70,
        [(b"iTXt", b"XML\0\1\0\0\0" + TEXT[9:])],
        [(b"iCCP", PROFILE)],
        [(b"iCCP", b"no profile")],
        [(b"eXIf", b"broken")],
        [(b"pHYs", b"")],
        [(b"gAMA", b"")],
        [(b"acTL", b"\0\0\0\2")],
    ],
)
def test_no_metadata_make_a_png_unreadable(photos, chunks):
    content = as_png(Image.fromarray(HALVES), *chunks)
    assert read_one(photos, content, channels=1)[0, :, 0].tolist() == [0] * 4 + [255] * 4


@pytest.mark.parametrize(
    ("marker", "segment"),
    [
        (0xE1, b"Exif\0\0broken"),
        (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01"),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0<tiff:Orientation>many</tiff:Orientation>"),
        (0xE2, b"ICC_PROFILE\0\1\5broken"),
        (0xE2, b"MPF\0broken"),
        (0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\xff\xff\xff\xff"),
        (0xEE, b"Adobe"),
        (0xFE, b"\xff" * 60_000),
    ],
)
def test_no_metadata_make_a_jpeg_unreadable(photos, marker, segment):
    content = as_jpeg(Image.fromarray(HALVES), marker, segment)
    found = read_one(photos, content, "one.jpg", channels=1)[0, :, 0].tolist()
    assert np.abs(np.subtract(found, [0] * 4 + [255] * 4)).max() < 3


def test_names_that_are_not_utf_8_are_read_and_shown_escaped(photos):
    paint_many(photos, 30)
    file = (photos / "000.png").rename(photos / os.fsdecode(b"caf\xe9\n.png"))
    assert len(load_small(f"folder:{photos}").train) == 24
    file.write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r": caf\\xe9\\n\.png \(") as refusal:
        load_small(f"folder:{photos}")
    str(refusal.value).encode()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "an empty file"), (b"no image", "not an image in a known format"), (None, "")],
)
def test_all_images_that_cannot_be_read_are_listed(photos, content, reason):
    paint_many(photos, 50, size=(300, 300))
    for number in range(12):
        file = photos / f"{number:03d}.png"
        file.write_bytes(file.read_bytes()[:150] if content is None else content)
    with pytest.raises(DatasetError) as refusal:
        load_small(f"folder:{photos}")
    message = str(refusal.value)
    assert message.startswith(f"{photos}: 12 of 50 images cannot be read: 000.png ({reason}")
    assert message.count(".png (") == 10
    assert message.endswith(
        " and 2 more; repair or remove them, or type skip_unreadable: true to train without them"
    )
    data = load_small(f"folder:{photos}", skip_unreadable=True)
    assert len(data.train) + len(data.held_out) == 38
    assert data.remarks[0].startswith("left out: 12 images that cannot be read, 000.png (")


def test_links_that_lead_nowhere_and_closed_folders_cannot_be_read(photos, tmp_path):
    paint_many(photos, 40)
    (photos / "gone.png").symlink_to(tmp_path / "gone.png")
    (photos / "birds").symlink_to(tmp_path / "gone")
    (photos / "pipe").mkdir()
    os.mkfifo(photos / "pipe" / "a.png")
    reasons = r"gone\.png \(No such file or directory\), pipe/a\.png \(not a regular file\)"
    with pytest.raises(DatasetError, match=rf": birds \(a link that leads nowhere\), {reasons};"):
        load_small(f"folder:{photos}")


def test_an_image_that_is_repaired_is_read_again(photos):
    paint_many(photos, 40)
    file = photos / "007.png"
    whole = file.read_bytes()
    file.write_bytes(whole[:40])
    with pytest.raises(DatasetError, match=r"1 of 40 images cannot be read: 007\.png"):
        load_small(f"folder:{photos}")
    file.write_bytes(whole)
    assert len(load_small(f"folder:{photos}").train) == 32


def test_a_folders_path_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    assert check_dataset(f"folder:{tmp_path.name}") == f"folder:{tmp_path}"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("folder:", {}, "folder: needs a path: type folder:PATH"),
        ("folder:{}/nowhere", {}, "there is no directory {}/nowhere"),
        ("folder:{}/0.txt", {}, "there is no directory {}/0.txt"),
        ("folder:{}", {}, "{} has 29 images, but a dataset needs at least 30: add some; left out: 1 file"),
        ("folder:{}", {}, "(1 .txt): 0.txt; images end in .png, .apng, .jpg,"),
        ("folder:{}", {"image_size": 30}, "image_size must be a multiple of 4 from 4 to 1024, got 30"),
        ("folder:{}", {"image_size": 0}, "got 0"),
        ("folder:{}", {"image_size": 2048}, "got 2048"),
        ("folder:{}", {"channels": 4}, "channels must be 1 (grey) or 3 (colour), got 4"),
        (
            "mnist-5k",
            {"image_size": 32},
            "image_size, channels and skip_unreadable work only with folder:PATH, the dataset is mnist-5k",
        ),
        ("mnist-5k", {"channels": 1}, "work only with folder:PATH"),
        ("mnist-5k", {"skip_unreadable": True}, "work only with folder:PATH"),
    ],
)
def test_a_bad_folder_or_size_is_refused_with_what_is_allowed(photos, name, options, message):
    paint_many(photos, 29)
    (photos / "0.txt").touch()
    with pytest.raises(DatasetError, match=re.escape(message.format(photos))):
        load_dataset(name.format(photos), **options)


def test_thirty_different_images_are_enough(photos):
    paint_many(photos, 29)
    paint(photos / "copy.png", colour=(0, 0, 0))
    with pytest.raises(
        DatasetError, match=r"30 images that can be read, and 29 of them differ, but .* 30 different"
    ):
        load_small(f"folder:{photos}")
    paint(photos / "other.png")
    assert len(load_small(f"folder:{photos}").held_out) >= 6


def counted(monkeypatch):
    """Return a list that gets each image file that is opened."""
    opened, usual = [], Image.open
    monkeypatch.setattr(
        Image, "open", lambda file, **options: opened.append(file.name) or usual(file, **options)
    )
    return opened


def test_images_are_decoded_once_and_then_only_those_that_changed(photos, monkeypatch, cache):
    for place, name in enumerate(("cats", "dogs")):
        paint_many(photos / name, 40, start=50 * place)
    progress = []
    first = load_small(f"folder:{photos}", on_progress=lambda *numbers: progress.append(numbers))
    assert progress == [(64, 80), (80, 80)]
    decoded = counted(monkeypatch)
    second = load_small(f"folder:{photos}")
    assert not decoded
    assert (first.digest, first.train_digest, first.split) == (
        second.digest,
        second.train_digest,
        second.split,
    )
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.held_out_labels, second.held_out_labels)
    paint(photos / "cats" / "005.png", colour=(1, 2, 3))
    paint(photos / "dogs" / "new.png", colour=(3, 2, 1))
    (photos / "cats" / "006.png").unlink()
    third = load_small(f"folder:{photos}")
    assert sorted(Path(file).name for file in decoded) == ["005.png", "new.png"]
    assert third.digest != first.digest
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(cache / "other"))
    assert load_small(f"folder:{photos}").digest == third.digest
    [entry] = (cache / "folders").iterdir()
    assert len(list(entry.iterdir())) == 3


def test_the_kept_digests_are_those_of_the_images(photos):
    paint_many(photos, 40)
    data = load_small(f"folder:{photos}")
    kept = data.digest, data.train_digest
    for name in ("digest", "train_digest"):
        del vars(data)[name]
    assert (data.digest, data.train_digest) == kept


@pytest.mark.parametrize("damage", ["truncated", "contents", "missing"])
def test_a_damaged_cache_is_made_again(photos, cache, damage):
    paint_many(photos, 40)
    before = load_small(f"folder:{photos}").digest
    [pixels] = (cache / "folders").glob("*/*.u8")
    if damage == "truncated":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "contents":
        pixels.with_suffix(".json").write_text("{")
    else:
        pixels.unlink()
    assert load_small(f"folder:{photos}").digest == before


@pytest.mark.parametrize("reason", ["file", "room"])
def test_without_a_cache_the_images_are_decoded_into_memory(photos, tmp_path, monkeypatch, reason):
    paint_many(photos, 40)
    before = load_small(f"folder:{photos}")
    if reason == "file":
        (tmp_path / "file").touch()
        monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path / "file"))
    else:
        monkeypatch.setenv("GAN_SWEEP_CACHE", str(tmp_path / "empty"))
        monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 100}))
    data = load_small(f"folder:{photos}")
    assert data.digest == before.digest
    assert data.remarks[-1].startswith("the decoded images are not kept, every process decodes them: ")


SECOND_WORKER = """
import sys
from gan_core import load_dataset
data = load_dataset(sys.argv[1], image_size=64)
def private():
    with open("/proc/self/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private"))
before = private()
again = load_dataset(sys.argv[1], image_size=64)
total = int(again.train.sum()) + int(again.held_out.sum())
print(private() - before, again.train.nbytes // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux counts private memory there")
def test_processes_share_the_images_in_memory(photos):
    rng = np.random.default_rng(0)
    photos.mkdir()
    noise = rng.integers(0, 256, (800, 4, 4, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(photos / f"{number}.bmp")
    name = f"folder:{photos}"
    data = load_dataset(name)
    assert data.train.sum()
    done = subprocess.run(
        [sys.executable, "-c", SECOND_WORKER, name], capture_output=True, text=True, check=True
    )
    private_kb, images_kb = map(int, done.stdout.split())
    assert private_kb < images_kb / 3
