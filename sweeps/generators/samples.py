"""Images from a kept generator: a grid, or a walk through its latent space."""

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.errors import SweepError

if TYPE_CHECKING:
    from torch import Tensor

    from gan_core import Generator

ANIMATED = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
STILL = {".png": "PNG", ".webp": "WEBP"}
STOPS, FRAMES_A_LEG, FRAME_MS = 4, 15, 60


def check_file(out: Path, *, animated: bool) -> None:
    """Check, before anything is loaded, that an image can be written.

    Raises:
        SweepError: Its suffix is no known one, it is a folder, or its folder is not there or cannot be
            written.
    """
    suffixes = ANIMATED if animated else STILL
    if out.suffix.lower() not in suffixes:
        raise SweepError(f"--out {out}: its name must end with {' or '.join(suffixes)}")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise SweepError(f"--out {out}: there is no folder {folder}")
    if out.is_dir():
        raise SweepError(f"--out {out}: that is a folder; name a file in it, such as {out / 'samples.png'}")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise SweepError(f"--out {out}: it cannot be written, you have no permission")


def write_samples(generator: "Generator", out: Path, n: int, seed: int) -> None:
    """Write ``n`` images as one grid."""
    from PIL import Image

    from gan_core.images import png_grid

    grid = png_grid(generator.sample(n, seed))
    Image.open(BytesIO(grid)).save(out, format=STILL[out.suffix.lower()], lossless=True)


def write_walk(generator: "Generator", out: Path, n: int, seed: int) -> None:
    """Write an animated grid: ``n`` walks through the latent space, each back to where it began."""
    from PIL import Image

    from gan_core.images import png_grid

    frames = [Image.open(BytesIO(png_grid(generator.images(noise)))) for noise in walk(generator, n, seed)]
    frames[0].save(
        out,
        format=ANIMATED[out.suffix.lower()],
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MS,
        loop=0,
    )


def walk(generator: "Generator", n: int, seed: int) -> "list[Tensor]":
    """Return the noise of each frame, ``(n, noise_dim)``: four stops, and the ways between them.

    Between two stops of normal noise the way keeps to its sphere (Shoemake, 1985), as straight through its
    middle lies what the generator has hardly been trained on; of uniform noise it is straight.
    """
    import torch

    stops = generator.noise(n * STOPS, seed).chunk(STOPS)
    between = _slerp if generator.config.noise == "normal" else torch.lerp
    return [
        between(start, end, frame / FRAMES_A_LEG)
        for start, end in zip(stops, (*stops[1:], stops[0]), strict=True)
        for frame in range(FRAMES_A_LEG)
    ]


def _slerp(start: "Tensor", end: "Tensor", way: float) -> "Tensor":
    import torch

    cosine = torch.nn.functional.cosine_similarity(start, end, dim=1)
    angle = cosine.clamp(-0.9999, 0.9999).acos()[:, None]
    return (((1 - way) * angle).sin() * start + (way * angle).sin() * end) / angle.sin()
