"""A trained generator in a file: its weights, and what is needed to build it and to draw from it."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gan_core.architectures import ImageShape, architectures
from gan_core.config import TrialConfig
from gan_core.errors import CorruptedCheckpointError, ImportPathError, in_one_line
from gan_core.images import to_uint8
from gan_core.noise import draw_noise, rng_for
from gan_core.registry import import_attribute, is_import_path
from gan_core.trainer import generate_batches


class Generator(nn.Module):
    """A generator to draw images from, in eval mode.

    Args:
        config: What it was trained with.
        image_shape: Channels, height and width.
        weights: Of the architecture's generator.

    >>> config = TrialConfig(noise_dim=8)
    >>> weights = architectures.get("mlp").generator(config, (1, 28, 28)).state_dict()
    >>> Generator(config, (1, 28, 28), weights).sample(4, seed=1).shape
    torch.Size([4, 1, 28, 28])
    """

    def __init__(self, config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.image_shape = image_shape
        with torch.random.fork_rng(devices=[]):
            network = architectures.get(config.architecture).generator(config, image_shape)
        network.load_state_dict(dict(weights))
        self.network = network.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` in [-1, 1] for noise ``(N, noise_dim)``."""
        images: Tensor = self.network(noise)
        return images

    def noise(self, n: int, seed: int = 0) -> Tensor:
        """Return noise ``(n, noise_dim)`` as it was trained on; a seed always draws the same."""
        device = next(self.parameters()).device
        return draw_noise(self.config, n, rng_for("sample", seed)).to(device)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Return ``n`` images, uint8 ``(n, C, H, W)``; a seed always draws the same.

        On another machine or number of threads, sums are rounded in another order: a pixel may be a grey
        level off.
        """
        return self.images(self.noise(n, seed))

    def images(self, noise: Tensor) -> Tensor:
        """Return the images of noise ``(N, noise_dim)``, uint8 ``(N, C, H, W)``."""
        return to_uint8(torch.cat([*generate_batches(self.network, noise)])).cpu()


def save_generator(
    file: Path | str, config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]
) -> None:
    """Write a generator into a file, whole or not at all, as :func:`generator_bytes` makes it."""
    file = Path(file)
    draft = file.with_name(f"{file.name}.draft")
    draft.write_bytes(generator_bytes(config, image_shape, weights))
    draft.replace(file)


def generator_bytes(config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]) -> bytes:
    """Return a generator as safetensors, its config and image shape in the metadata."""
    about = {"config": config.model_dump_json(), "image_shape": json.dumps(image_shape)}
    return save({name: value.cpu().contiguous() for name, value in weights.items()}, about)


def load_generator(file: Path | str, *, allow_imports: bool = False) -> Generator:
    """Read what :func:`save_generator` wrote; the file holds no code, but may name some.

    Args:
        file: The file.
        allow_imports: Whether a component that it names by import path, ``MODULE:NAME``, is imported, which
            runs that module: only for a file whose source you trust.

    Raises:
        ImportPathError: It names a component by import path, and that is not allowed, or not there.
        CorruptedCheckpointError: The file is not what was written.
        FileNotFoundError: There is no such file.
    """
    try:
        with safe_open(file, framework="pt") as content:
            about = content.metadata()
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - no mapping
        _check_imports(file, json.loads(about["config"]), allowed=allow_imports)
        channels, height, width = json.loads(about["image_shape"])
        config = TrialConfig.model_validate_json(about["config"])
        return Generator(config, (channels, height, width), weights)
    except (FileNotFoundError, ImportPathError):
        raise
    except Exception as error:
        told = in_one_line(error)
        raise CorruptedCheckpointError(f"{file} is no generator that gan_core wrote: {told}") from error


def _check_imports(file: Path | str, config: Mapping[str, object], *, allowed: bool) -> None:
    named = [str(config.get(kind)) for kind in ("architecture", "loss", "penalty")]
    paths = [name for name in named if is_import_path(name)]
    if allowed:
        for path in paths:
            import_attribute(path)
    elif paths:
        raise ImportPathError(
            f"{file} is built with {', '.join(paths)}: importing it runs that code; where you trust it, pass"
            " allow_imports=True"
        )
