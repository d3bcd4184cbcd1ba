"""Trained generators: sampling from them, saving and loading them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from gan_core.architectures import ImageShape
from gan_core.config import TrialConfig
from gan_core.datasets import ImageDataset
from gan_core.errors import CorruptedCheckpointError, ImportPathError, LoopError, in_one_line
from gan_core.hyperparameters import named_code
from gan_core.images import to_uint8
from gan_core.imports import import_attribute
from gan_core.loop_config import LoopConfig
from gan_core.loop_generator import LoopGenerator, loop_metadata, rebuilt
from gan_core.noise import draw_noise, rng_for
from gan_core.trainer import generate_batches


class Generator(nn.Module):
    """A trained generator in eval mode.

    Args:
        config: The hyperparameters that it was trained with.
        image_shape: Channels, height and width.
        weights: The state dict of the architecture's generator.

    >>> config = TrialConfig(noise_dim=8)
    >>> weights = config.component("architecture").generator(config, (1, 28, 28)).state_dict()
    >>> Generator(config, (1, 28, 28), weights).sample(4, seed=1).shape
    torch.Size([4, 1, 28, 28])
    """

    def __init__(self, config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.config = config
        self.image_shape = image_shape
        with torch.random.fork_rng(devices=[]):
            network = config.component("architecture").generator(config, image_shape)
        network.load_state_dict(dict(weights))
        self.network = network.to(memory_format=torch.channels_last)
        self.eval()

    def forward(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` in [-1, 1] for noise ``(N, noise_dim)``."""
        images: Tensor = self.network(noise)
        return images.clamp(-1, 1)

    def noise(self, n: int, seed: int = 0) -> Tensor:
        """Return noise ``(n, noise_dim)`` of the training distribution; equal seeds give equal noise."""
        device = next(self.parameters()).device
        return draw_noise(self.config, n, rng_for("sample", seed)).to(device)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Return ``n`` images, uint8 ``(n, C, H, W)``; equal seeds give equal images.

        On a different machine or number of threads, rounding may change a pixel by one grey level.
        """
        return self.images(self.noise(n, seed))

    def images(self, noise: Tensor) -> Tensor:
        """Return images, uint8 ``(N, C, H, W)``, for noise ``(N, noise_dim)``."""
        return to_uint8(torch.cat([*generate_batches(self.network, noise)])).cpu()


def save_generator(
    file: Path | str, config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]
) -> None:
    """Write the :func:`generator_bytes` to a file, atomically."""
    file = Path(file)
    draft = file.with_name(f"{file.name}.draft")
    draft.write_bytes(generator_bytes(config, image_shape, weights))
    draft.replace(file)


def generator_bytes(config: TrialConfig, image_shape: ImageShape, weights: Mapping[str, Tensor]) -> bytes:
    """Return a generator as safetensors, with its config and image shape in the metadata."""
    metadata = {"config": config.model_dump_json(), "image_shape": json.dumps(image_shape)}
    return _safetensors(weights, metadata)


def kept_bytes(
    train: str | None, config: LoopConfig, data: ImageDataset, weights: Mapping[str, Tensor]
) -> bytes:
    """Return the generator of a finished training, for :func:`load_generator`.

    Args:
        train: The import path of the training loop; None for gan_core's own.
        config: The hyperparameters.
        data: The dataset.
        weights: The weights of the best report.
    """
    if train is None and isinstance(config, TrialConfig):
        return generator_bytes(config, data.image_shape, weights)
    return _safetensors(weights, loop_metadata(str(train), config, data))


def _safetensors(weights: Mapping[str, Tensor], metadata: dict[str, str]) -> bytes:
    return save({name: value.cpu().contiguous() for name, value in weights.items()}, metadata)


def load_generator(file: Path | str, *, allow_imports: bool = False) -> Generator | LoopGenerator:
    """Load a generator of :func:`save_generator` or of a sweep; the file may name modules, but has no code.

    Args:
        file: The file.
        allow_imports: Whether to import the training loop and the components that the file names by import
            path, ``MODULE:NAME``. Importing a module runs its code: allow it only if you trust the file.

    Returns:
        A :class:`Generator`, or a :class:`gan_core.loop_generator.LoopGenerator` if a training loop of the
        user's own has trained it.

    Raises:
        ImportPathError: The file names code by import path that is not allowed or does not exist.
        LoopError: The training loop cannot rebuild its generator.
        CorruptedCheckpointError: The file is not a saved generator, or it is corrupted.
        FileNotFoundError: The file does not exist.
    """
    try:
        with safe_open(file, framework="pt") as content:
            metadata = content.metadata()
            weights = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - not a mapping
        named = named_code(json.loads(metadata["config"]))
        _check_imports(
            file, [metadata["loop"], *named] if "loop" in metadata else named, allowed=allow_imports
        )
        if "loop" in metadata:
            return rebuilt(metadata, weights)
        channels, height, width = json.loads(metadata["image_shape"])
        config = TrialConfig.model_validate_json(metadata["config"])
        return Generator(config, (channels, height, width), weights)
    except (FileNotFoundError, ImportPathError, LoopError):
        raise
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, detail['loc']))} {detail['input']!r}: {detail['msg']}"
            for detail in error.errors(include_url=False)
        )
        raise CorruptedCheckpointError(
            f"{file}: gan_core or its components refuse its config: {faults}"
        ) from error
    except Exception as error:
        reason = in_one_line(error)
        raise CorruptedCheckpointError(f"{file} is not a generator that gan_core saved: {reason}") from error


def _check_imports(file: Path | str, paths: Sequence[str], *, allowed: bool) -> None:
    if allowed:
        for path in paths:
            import_attribute(path)
    elif paths:
        raise ImportPathError(
            f"{file} names code: {', '.join(paths)}; importing it runs that code; if you trust it, pass"
            " allow_imports=True, or type --allow-imports"
        )
