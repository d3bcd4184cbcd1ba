"""A sweep of images that have changed is not continued."""

import numpy as np
import pytest
from PIL import Image

import sweeps
from tests.e2e.commands import gan_sweep, workplace_in

SPEC = """\
name: photos
dataset: folder:photos
image_size: 8
trials: 1
parameters:
  steps: 10
  report_every: 10
  batch_size: 16
  eval_samples: 128
  final_samples: 128
  lr: {min: 1e-4, max: 1e-3}
early_terminate: {type: none}
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Return a workplace with a sweep of 60 photos, of which ten have changed since."""
    folder = workplace_in(tmp_path_factory, spec=SPEC)
    paint(folder / "photos", range(30), 60)
    assert gan_sweep("spec.yaml", "--quiet", cwd=folder).returncode == 0
    paint(folder / "photos", range(5), 100)
    return folder


def paint(folder, numbers, shade):
    draw = np.random.default_rng(shade)
    for name, least in (("a", shade), ("b", 255 - shade)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            noise = draw.integers(least - 20, least, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).save(folder / name / f"{number:02}.png")


@pytest.mark.parametrize(
    "command",
    [
        ["resume", "photos", "--trials", 2],
        ["confirm", "photos", "--seeds", 2, "--top", 1],
        ["rerun", "photos", "photos-0000"],
    ],
    ids=lambda command: command[0],
)
def test_what_would_score_other_images_is_refused_and_changes_nothing(workplace, command):
    before = sweeps.load("photos", workplace / "results").facts
    refused = gan_sweep(*command, cwd=workplace)
    assert refused.returncode == 2
    last = refused.stderr.splitlines()[-1]
    assert "would not be comparable" in last
    assert "the images were 48 to train on and 12 held out" in last
    assert sweeps.load("photos", workplace / "results").facts == before


def test_a_warm_start_without_comparable_scores_or_a_new_point_is_refused(workplace):
    refused = gan_sweep("spec.yaml", "--name", "again", "--warm-start", "photos", cwd=workplace)
    assert refused.returncode == 2
    last = refused.stderr.splitlines()[-1]
    assert "photos are not comparable with the new ones (the images were 48 to train on and 12 held" in last
    assert "give the new sweep no new point to try: leave --warm-start out" in last
    assert not (workplace / "results" / "again").exists()
