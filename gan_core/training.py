"""One GAN on one device: a step, and the loop around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor

from gan_core.architectures import ImageShape, architectures
from gan_core.config import TrialConfig
from gan_core.datasets import ImageDataset
from gan_core.errors import TrainingDiverged
from gan_core.images import to_uint8, to_unit_range
from gan_core.losses import losses
from gan_core.metrics import Evaluator

SAMPLES = 64
SAMPLE_SEED = 0
EVALUATION_SEED = 1
GENERATION_BATCH = 500


@dataclass(frozen=True)
class Report:
    """What is known of a GAN after some steps.

    Args:
        step: Steps taken, from 1.
        metrics: ``d_loss`` and ``g_loss`` of the last step, ``images_per_s`` (real images trained on in a
            second, evaluation aside) and the evaluator's scores.
        samples: 64 generated images, uint8 ``(64, C, H, W)``, from the same noise in every report.
    """

    step: int
    metrics: dict[str, float]
    samples: Tensor


class Trainer:
    """A generator, a discriminator, their optimisers, and one step of adversarial training.

    The step is that of the seed tutorial, its redundant work left out: the generator runs once, and
    no gradient is computed that would be thrown away. The losses and weights that follow are the same.

    Args:
        config: The hyperparameters.
        image_shape: Channels, height and width.
        device: Where the networks live.
        dtype: What they compute in.
    """

    def __init__(
        self,
        config: TrialConfig,
        image_shape: ImageShape,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        architecture = architectures.get(config.architecture)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.discriminator = architecture.discriminator(config, image_shape).to(device, dtype)
            self.generator = architecture.generator(config, image_shape).to(device, dtype)
        self._loss = losses.get(config.loss)
        self._d_optimizer = _adam(self.discriminator, config)
        self._g_optimizer = _adam(self.generator, config)
        self._g_parameters = list(self.generator.parameters())
        self._steps_taken = 0

    def step(self, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Update the discriminator once, then the generator once, on the same noise.

        Args:
            real: Real images in [-1, 1], shape ``(N, C, H, W)``.
            noise: The generator's noise, shape ``(N, noise_dim)``.

        Returns:
            ``d_loss`` and ``g_loss``, each of shape ``()``.

        Raises:
            TrainingDiverged: A loss is not finite; the network it belongs to was not updated.
        """
        fake = self.generator(noise)
        d_loss = self._update_discriminator(real, fake.detach())
        g_loss = self._update_generator(fake)
        self._steps_taken += 1
        return {"d_loss": d_loss, "g_loss": g_loss}

    def generate(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` in [-1, 1] for noise ``(N, noise_dim)``, in eval mode."""
        self.generator.eval()
        with torch.inference_mode():
            images = torch.cat([self.generator(batch) for batch in noise.split(GENERATION_BATCH)])
        self.generator.train()
        return images

    def _update_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).split([len(real), len(fake)])
        loss = self._loss.discriminator(real_logits, fake_logits)
        self._require_finite("d_loss", loss)
        self._d_optimizer.zero_grad()
        loss.backward()
        self._d_optimizer.step()
        return loss.detach()

    def _update_generator(self, fake: Tensor) -> Tensor:
        loss = self._loss.generator(self.discriminator(fake))
        self._require_finite("g_loss", loss)
        self._g_optimizer.zero_grad()
        loss.backward(inputs=self._g_parameters)
        self._g_optimizer.step()
        return loss.detach()

    def _require_finite(self, name: str, loss: Tensor) -> None:
        if not loss.isfinite():
            raise TrainingDiverged(self._steps_taken + 1, name, loss.item())


def train(
    config: TrialConfig,
    data: ImageDataset,
    evaluator: Evaluator | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Report]:
    """Train one GAN, reporting every ``config.report_every`` steps and after the last.

    The same config and data give the same reports, bit for bit on one CPU with as many threads.

    Args:
        config: The hyperparameters, the seed among them.
        data: What to learn; batches are taken from each epoch's own random order.
        evaluator: Scores the samples of each report; by default one made for ``data``.
        device: Where to train.

    Yields:
        A report; training goes on when the next one is asked for.

    Raises:
        TrainingDiverged: A loss is not finite.
    """
    data = data.to(device)
    evaluator = evaluator or Evaluator(data, device)
    trainer = Trainer(config, data.image_shape, device)
    noise_rng = torch.Generator(device).manual_seed(config.seed)
    batches = _shuffled_batches(len(data.train), config.batch_size, config.seed)
    started, steps_reported = perf_counter(), 0
    for step in range(1, config.steps + 1):
        real = to_unit_range(data.train[next(batches).to(device)])
        step_losses = trainer.step(real, uniform_noise(len(real), config.noise_dim, noise_rng))
        if step % config.report_every == 0 or step == config.steps:
            metrics = {name: loss.item() for name, loss in step_losses.items()}
            images = (step - steps_reported) * config.batch_size
            metrics["images_per_s"] = images / (perf_counter() - started)
            yield _report(step, metrics, trainer, evaluator, config, device)
            started, steps_reported = perf_counter(), step


def uniform_noise(n: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Draw noise ``(n, noise_dim)``, uniform on [-1, 1), on the device of ``rng``."""
    return torch.rand(n, noise_dim, generator=rng, device=rng.device) * 2 - 1


def sample_noise(noise_dim: int, device: torch.device | str = "cpu") -> Tensor:
    """Return the noise ``(64, noise_dim)`` that every sample grid is drawn from.

    It is one bank for all noise dimensions: a smaller one has the first coordinates of a larger one.
    """
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    return uniform_noise(noise_dim, SAMPLES, rng).T.contiguous().to(device)


def _report(
    step: int,
    metrics: dict[str, float],
    trainer: Trainer,
    evaluator: Evaluator,
    config: TrialConfig,
    device: torch.device | str,
) -> Report:
    """Score the generator on the same fresh noise as every report, and draw its samples."""
    evaluation_rng = torch.Generator(device).manual_seed(EVALUATION_SEED)
    noise = uniform_noise(config.eval_samples, config.noise_dim, evaluation_rng)
    images = trainer.generate(noise)
    if not images.isfinite().all():
        raise TrainingDiverged(step, "samples", float("nan"))
    scores = evaluator(images)
    samples = to_uint8(trainer.generate(sample_noise(config.noise_dim, device))).cpu()
    return Report(step, metrics | scores, samples)


def _adam(network: torch.nn.Module, config: TrialConfig) -> torch.optim.Adam:
    return torch.optim.Adam(
        network.parameters(), lr=config.lr, betas=(config.beta1, config.beta2), fused=True
    )


def _shuffled_batches(n_images: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Yield index batches without end: epochs in random order, one after another without a gap."""
    rng = torch.Generator().manual_seed(seed)
    indices = torch.empty(0, dtype=torch.long)
    while True:
        while len(indices) < batch_size:
            indices = torch.cat([indices, torch.randperm(n_images, generator=rng)])
        yield indices[:batch_size]
        indices = indices[batch_size:]
