"""People's own folders of images, from the preview to the report."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

import sweeps
from tests.e2e.commands import gan_sweep, workplace_in

SPEC = """\
name: NAME
dataset: mnist-5k
image_size: 16
method: random
trials: 2
parameters:
  steps: 6
  report_every: 3
  batch_size: 16
  eval_samples: 128
  final_samples: 128
  hflip: {values: [true, false]}
  lr: {min: 1e-4, max: 1e-3}
early_terminate: {type: none}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = workplace_in(tmp_path_factory)
    for name, paint in (("photographs", paint_photographs), ("emoji", paint_emoji)):
        paint(folder / name)
        (folder / f"{name}.yaml").write_text(SPEC.replace("NAME", name), encoding="utf-8")
    return folder


def paint_photographs(folder):
    """Write a small CIFAR-10: JPEGs of 32x32 in train/CLASS and test/CLASS."""
    draw = np.random.default_rng(0)
    for part, n in (("train", 40), ("test", 10)):
        for shade, name in ((0, "cat"), (150, "dog")):
            (folder / part / name).mkdir(parents=True)
            for number in range(n):
                noise = draw.integers(shade, shade + 100, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / part / name / f"{number:04}.jpg")


def paint_emoji(folder):
    """Write PNGs of 64x64 with transparency and a palette, in a folder for each category, one a link."""
    elsewhere = folder.parent / "elsewhere"
    for shape, place in (("ellipse", folder / "faces"), ("rectangle", elsewhere)):
        place.mkdir(parents=True)
        for number in range(30):
            image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
            getattr(ImageDraw.Draw(image), shape)((8, 8, 30 + number, 40), fill=(5 * number, 100, 200))
            image.quantize(16).save(place / f"{number}.png")
    (folder / "flags").symlink_to(elsewhere)
    (folder / "emoji.json").write_text("[]", encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "numbers", "remark"),
    [
        ("photographs", "80 to train on, 20 held out, 2 classes", "train/: trained on; test/: held out"),
        (
            "emoji",
            "48 to train on, 12 held out, 2 classes",
            "left out: 1 file without an image's suffix (1 .json): emoji.json",
        ),
    ],
)
def test_a_folder_is_searched_from_its_preview_to_its_report(workplace, name, numbers, remark):
    cache = {"GAN_SWEEP_CACHE": str(workplace / "cache")}
    options = ["--set", f"dataset=folder:{workplace / name}"]
    preview = gan_sweep("preview", f"{name}.yaml", *options, cwd=workplace, **cache)
    assert preview.returncode == 0, preview.stderr
    assert numbers in preview.stdout
    assert remark in preview.stdout
    ran = gan_sweep(f"{name}.yaml", *options, cwd=workplace, **cache)
    assert ran.returncode == 0, ran.stderr
    assert f"folder:{workplace / name}: {remark}\n" in ran.stderr
    sweep = sweeps.load(name, workplace / "results")
    assert len(sweep.rank()) == 2
    assert sweep.facts["images"]["train"] == int(numbers.split()[0])
    assert (workplace / "results" / name / "report.html").exists()
