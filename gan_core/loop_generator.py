"""Trained generators of training loops: rebuilt by the loop's own code, with kept weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_core.architectures import ImageShape
from gan_core.checkpoint import checkpoint_bytes
from gan_core.datasets import ImageDataset
from gan_core.errors import LoopError, in_one_line
from gan_core.hyperparameters import config_of, named_loop
from gan_core.images import to_uint8
from gan_core.loop_config import LoopConfig
from gan_core.loops.declaration import Loop
from gan_core.loops.run import LoopRun
from gan_core.loops.sampling import Sampler
from gan_core.loops.snapshot import Snapshot
from gan_core.loops.weights import load_weights, misfit_of

CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainingImages:
    """What a loop sees of its dataset, besides the images themselves.

    Args:
        name: The dataset.
        image_shape: Channels, height and width.
        train: The number of training images.
        held_out: The number of held-out images.
        classes: The number of training images of each class; None without classes.
    """

    name: str
    image_shape: ImageShape
    train: int
    held_out: int
    classes: list[int] | None

    @classmethod
    def of(cls, data: ImageDataset) -> "TrainingImages":
        """Return the description of a dataset."""
        labels = data.train_labels
        classes = None if labels is None else torch.bincount(labels).tolist()
        return cls(data.name, data.image_shape, len(data.train), len(data.held_out), classes)

    def stand_in(self) -> ImageDataset:
        """Return a dataset of random images, with the same shape, number and classes of images.

        The images overlap in memory, so that a million of them need a few megabytes.
        """
        train, held_out = self._noise(self.train), self._noise(self.held_out)
        if self.classes is None:
            return ImageDataset(self.name, train, held_out)
        labels = torch.arange(len(self.classes)).repeat_interleave(torch.tensor(self.classes))
        few = labels[torch.linspace(0, len(labels) - 1, self.held_out).long()]
        return ImageDataset(self.name, train, held_out, train_labels=labels, held_out_labels=few)

    def _noise(self, n: int) -> Tensor:
        channels, height, width = self.image_shape
        pixels = channels * height * width
        values = torch.randint(256, (n + pixels,), dtype=torch.uint8, generator=torch.Generator())
        return values.as_strided((n, *self.image_shape), (1, height * width, width, 1))


class LoopGenerator(nn.Module):
    """A trained generator of a training loop, on the CPU.

    The loop's own code rebuilds it: the loop takes one step on random images and yields a snapshot. Then the
    weights are loaded into the snapshot's generator, and the loop is closed. Whatever else the snapshot's
    ``sample`` uses keeps the values of that one step.

    Args:
        loop: The training loop.
        config: The hyperparameters that it was trained with.
        images: What the loop saw of its dataset.
        weights: The state dict of the snapshot's generator.

    Attributes:
        network: The snapshot's generator, in the mode in which the loop yields it.

    Raises:
        LoopError: The loop cannot take a step, yields no generator, or one that the weights do not fit.
    """

    def __init__(
        self, loop: Loop, config: LoopConfig, images: TrainingImages, weights: Mapping[str, Tensor]
    ) -> None:
        super().__init__()
        self.config = config
        self.image_shape = images.image_shape
        data = images.stand_in()
        name, self._snapshot = _first_snapshot(loop, config, data)
        self._sampler = Sampler(name, data, CPU)
        network = self._snapshot.generator
        if network is None:
            raise LoopError(f"{name} yields no generator any more: load the weights with the earlier code")
        if misfit := misfit_of(weights, network):
            raise LoopError(
                f"{name} builds a generator that the kept weights do not fit ({misfit}): load them with the"
                " code that trained them"
            )
        load_weights(network, weights)
        self.network = network

    def forward(self, *inputs: Any) -> Any:  # noqa: ANN401 - a loop chooses its generator's inputs and outputs
        """Return the generator's output."""
        return self.network(*inputs)

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """Return ``n`` images, uint8 ``(n, C, H, W)``, from the loop's ``sample``; equal seeds, equal images.

        If ``sample`` takes classes, they have the distribution of the training images.
        """
        images = [*self._sampler.images(self._snapshot, n, f"sample {seed}")]
        return to_uint8(torch.cat(images)).cpu()

    def grid(self) -> Tensor:
        """Return the 64 images of the sample grid, uint8 ``(64, C, H, W)``, as the reports have them."""
        return self._sampler.grid(self._snapshot)


def loop_metadata(train: str, config: LoopConfig, data: ImageDataset) -> dict[str, str]:
    """Return what :func:`rebuilt` needs beside the weights, as the metadata of a file."""
    return {
        "loop": train,
        "config": config.model_dump_json(),
        "images": json.dumps(asdict(TrainingImages.of(data))),
    }


def kept_state(train: str, config: LoopConfig, data: ImageDataset, step: int, state: object) -> bytes:
    """Return the last state of a loop without a generator, for :func:`gan_core.checkpoint.load_checkpoint`.

    Args:
        train: The import path of the loop.
        config: The hyperparameters.
        data: The dataset.
        step: The number of completed steps.
        state: What the loop's state function returned.
    """
    return checkpoint_bytes(
        {
            "loop": train,
            "config": config.model_dump(),
            "image_shape": data.image_shape,
            "step": step,
            "state": state,
        }
    )


def rebuilt(metadata: Mapping[str, str], weights: Mapping[str, Tensor]) -> LoopGenerator:
    """Return the generator that :func:`loop_metadata` describes.

    Raises:
        GanCoreError: The loop cannot be imported, or it cannot rebuild the generator.
        pydantic.ValidationError: The loop's config refuses the recorded values.
    """
    config = config_of(metadata["loop"]).model_validate_json(metadata["config"])
    described = json.loads(metadata["images"])
    images = TrainingImages(**described | {"image_shape": tuple(described["image_shape"])})
    return LoopGenerator(named_loop(metadata["loop"]), config, images, weights)


def _first_snapshot(loop: Loop, config: LoopConfig, data: ImageDataset) -> tuple[str, Snapshot]:
    """Return the name of a loop, and its snapshot after one step."""
    run = LoopRun(loop, config.model_copy(update={"report_every": 1}), data, CPU)
    try:
        return run.name, run.advance()
    except LoopError:
        raise
    except Exception as error:
        raise LoopError(
            f"{run.name} cannot rebuild its generator: its first step, on random images, raised"
            f" {in_one_line(error)}"
        ) from error
    finally:
        run.close()
