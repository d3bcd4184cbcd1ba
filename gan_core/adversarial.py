"""The built-in training loop: adversarial training of the components that a config names."""

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from gan_core.config import TrialConfig
from gan_core.datasets import ImageDataset
from gan_core.flags import DISCRIMINATOR_WON
from gan_core.loops.snapshot import Snapshot
from gan_core.memory import copied_to
from gan_core.noise import NoiseStream, draw_noise, fixed_noise, restore_rng, rng_for
from gan_core.trainer import Trainer


def train_gan(
    config: TrialConfig, data: ImageDataset, device: torch.device, state: dict[str, Any] | None = None
) -> Iterator[Snapshot]:
    """Train a GAN with :class:`gan_core.Trainer`: the default loop of :func:`gan_core.train`.

    Args:
        config: The hyperparameters.
        data: The dataset; each epoch has its own random order.
        device: The device to train on.
        state: The state of an earlier snapshot, to resume from.

    Yields:
        A snapshot every ``config.report_every`` steps and after the last step. Its metrics are the
        :data:`gan_core.step_metrics.STEP_METRICS` of the last step, and ``images_per_s``, the real images
        trained on per second.

    Raises:
        TrainingDiverged: A loss or a gradient is not finite.
    """
    training = _Training(config, data, device)
    if state is not None:
        training.load_state_dict(state)
    while training.trainer.steps_taken < config.steps:
        metrics = training.train_until(config.next_report(training.trainer.steps_taken))
        yield Snapshot(
            training.trainer.steps_taken,
            training.sample,
            generator=training.trainer.sampling_generator,
            metrics=metrics,
            state=training.state_dict,
            grid=training.grid,
            signs={DISCRIMINATOR_WON: training.trainer.discriminator_won},
            messages=[training.trainer.fallback] if training.trainer.fallback else [],
        )


def from_earlier_format(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's state in today's format.

    In the earlier format, only the built-in loop existed, and the checkpoint held the parts of its state.
    """
    if "trainer" not in state:
        return dict(state)
    cpu, *gpus = state["global_rng"]
    loop_state = {
        **{name: state[name] for name in ("trainer", "noise_rng", "flip_rng") if name in state},
        "batches": state["batches"] | {"randomness": {"torch": cpu, "cuda": gpus}},
    }
    return {
        **{name: part for name, part in state.items() if name not in {*loop_state, "global_rng"}},
        "identity": state["identity"] | {"loop": LOOP_NAME},
        "loop": loop_state,
    }


LOOP_NAME = f"{__name__}:{train_gan.__name__}"

MIRRORED = 0.5
"""The share of images that ``hflip`` mirrors."""


class _Training:
    """A trainer with its batches and noise."""

    def __init__(self, config: TrialConfig, data: ImageDataset, device: torch.device) -> None:
        self.trainer = Trainer(config, data.image_shape, device)
        self._config = config
        self._device = device
        self._noise_rng = rng_for("noise", config.seed, device)
        self._flip_rng = rng_for("hflip", config.seed)
        self._batches = data.batches(config.batch_size * config.d_steps, config.seed, device)
        self._sampled: NoiseStream | None = None

    def train_until(self, last_step: int) -> dict[str, float]:
        """Train until ``last_step``; return the last step's metrics, and ``images_per_s``."""
        started, n_images = perf_counter(), 0
        while self.trainer.steps_taken < last_step:
            real = self._next_images()
            last = self.trainer.step(real, draw_noise(self._config, len(real), self._noise_rng))
            n_images += len(real)
        metrics = dict(zip(last, torch.stack([*last.values()]).tolist(), strict=True))
        metrics["images_per_s"] = n_images / (perf_counter() - started)
        self.trainer.check()
        return metrics

    def _next_images(self) -> Tensor:
        """Return the next training images, in [-1, 1], on the device; with ``hflip``, half are mirrored."""
        images = next(self._batches).images
        if not self._config.hflip:
            return images
        is_mirrored = torch.rand(len(images), generator=self._flip_rng) < MIRRORED
        return torch.where(copied_to(self._device, is_mirrored).view(-1, 1, 1, 1), images.flip(3), images)

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Return ``n`` images in [-1, 1], or NaN, from the next noise of ``rng``."""
        if self._sampled is None or self._sampled.rng is not rng:
            self._sampled = NoiseStream(self._config, rng)
        images = torch.cat([*self.trainer.sample_batches(self._sampled.next(n).to(self._device))])
        return images.clamp(-1, 1).where(images.isfinite(), torch.nan)

    def grid(self) -> Tensor:
        """Return the images of the noise that all trainings share."""
        return self.trainer.generate(fixed_noise(self._config, self._device))

    def state_dict(self) -> dict[str, Any]:
        return {
            "trainer": self.trainer.state_dict(),
            "noise_rng": self._noise_rng.get_state(),
            "flip_rng": self._flip_rng.get_state(),
            "batches": self._batches.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.trainer.load_state_dict(state["trainer"])
        step = self.trainer.steps_taken
        restore_rng(self._noise_rng, state["noise_rng"], "noise", self._config.seed, step)
        if "flip_rng" in state:
            self._flip_rng.set_state(state["flip_rng"].cpu())
        self._batches.load_state_dict(state["batches"])
