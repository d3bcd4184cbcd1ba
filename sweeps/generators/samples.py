"""Draw images with a kept generator: a grid, or a walk through its latent space."""

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepError

if TYPE_CHECKING:
    from torch import Tensor

    from gan_core import Generator
    from gan_core.loop_generator import LoopGenerator

ANIMATION_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
GRID_FORMATS = {".png": "PNG", ".webp": "WEBP"}
STOPS, FRAMES_PER_LEG, FRAME_MS = 4, 15, 60


def check_file(out: Path, *, animated: bool) -> None:
    """Check that an image can be written to a file, before a generator is loaded.

    Raises:
        SweepError: The suffix is unknown, the path is a folder, or its folder does not exist or is read-only.
    """
    suffixes = ANIMATION_FORMATS if animated else GRID_FORMATS
    if out.suffix.lower() not in suffixes:
        raise SweepError(f"--out {out}: the name must end with {' or '.join(suffixes)}")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise SweepError(f"--out {out}: the folder {folder} does not exist")
    if out.is_dir():
        raise SweepError(f"--out {out} is a folder: name a file in it, such as {out / 'samples.png'}")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise SweepError(f"--out {out}: you have no permission to write it")


def with_noise(generator: "Generator | LoopGenerator", trial_id: str) -> "Generator":
    """Return a generator, after a check that it maps noise to images.

    Raises:
        SweepError: A training loop of the user's own yields it, and only the loop knows its inputs.
    """
    from gan_core import Generator

    if not isinstance(generator, Generator):
        raise SweepError(
            f"--interpolate: the training loop of {trial_id} draws its noise itself, so there is no latent"
            " space to walk through: draw a grid without --interpolate"
        )
    return generator


def write_samples(generator: "Generator | LoopGenerator", out: Path, n: int, seed: int) -> None:
    """Write a grid of ``n`` images."""
    from PIL import Image

    from gan_core.images import png_grid

    grid = png_grid(generator.sample(n, seed))
    Image.open(BytesIO(grid)).save(out, format=GRID_FORMATS[out.suffix.lower()], lossless=True)


def write_walk(generator: "Generator", out: Path, n: int, seed: int) -> None:
    """Write an animated grid of ``n`` closed walks through the latent space."""
    from PIL import Image

    from gan_core.images import png_grid

    frames = [Image.open(BytesIO(png_grid(generator.images(noise)))) for noise in walk(generator, n, seed)]
    frames[0].save(
        out,
        format=ANIMATION_FORMATS[out.suffix.lower()],
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MS,
        loop=0,
    )


def walk(generator: "Generator", n: int, seed: int) -> "list[Tensor]":
    """Return the noise of each frame, float32 ``(n, noise_dim)``, on closed walks through four random stops.

    For normal noise, the walk follows the sphere (Shoemake, 1985), because the straight line passes near 0,
    where the generator saw hardly any noise in training. For uniform noise, the walk is straight.
    """
    import torch

    stops = generator.noise(n * STOPS, seed).chunk(STOPS)
    between = _slerp if generator.config.noise == "normal" else torch.lerp
    return [
        between(start, end, frame / FRAMES_PER_LEG)
        for start, end in zip(stops, (*stops[1:], stops[0]), strict=True)
        for frame in range(FRAMES_PER_LEG)
    ]


def _slerp(start: "Tensor", end: "Tensor", weight: float) -> "Tensor":
    """Interpolate the directions of two batches of noise on the sphere, and their lengths on a line.

    No frame is longer than both ends. A frame is shorter than both ends only between opposite ends, such as
    the ends of one dimension: the way between them passes through 0.
    """
    import torch
    from torch.nn.functional import normalize

    ends = torch.stack([start, end]).double()
    from_, to = normalize(ends, dim=2)
    cosine = (from_ * to).sum(1, keepdim=True)
    sideways = to - cosine * from_
    angle = weight * torch.atan2(sideways.norm(dim=1, keepdim=True), cosine)
    direction = angle.cos() * from_ + angle.sin() * normalize(sideways, dim=1, eps=1e-6)
    first, last = ends.norm(dim=2, keepdim=True)
    noise: Tensor = torch.lerp(first, last, weight) * direction
    return noise.to(start.dtype)
