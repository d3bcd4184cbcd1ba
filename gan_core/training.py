"""One GAN on one device: a step, and the loop around it."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gan_core.architectures import ImageShape, architectures
from gan_core.config import TrialConfig
from gan_core.datasets import ImageDataset
from gan_core.errors import TrainingDiverged
from gan_core.images import to_uint8, to_unit_range
from gan_core.losses import losses
from gan_core.metrics import Evaluator
from gan_core.penalties import penalties

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

    The step is that of the seed tutorial, its redundant work left out: the generator runs once a step, and
    no gradient is computed that would be thrown away. The losses and weights that follow are the same.
    What differs by design is that batch normalisation's running statistics move once a step, not twice.

    Args:
        config: The hyperparameters.
        image_shape: Channels, height and width.
        device: Where the networks live.
        dtype: What they compute in.

    Attributes:
        generator: Noise ``(N, noise_dim)`` to images ``(N, C, H, W)`` in [-1, 1].
        discriminator: Images to logits ``(N, 1)``.
    """

    def __init__(
        self,
        config: TrialConfig,
        image_shape: ImageShape,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._config = config
        architecture = architectures.get(config.architecture)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.discriminator = architecture.discriminator(config, image_shape).to(device, dtype)
            self.generator = architecture.generator(config, image_shape).to(device, dtype)
            if config.spectral_norm:
                _normalise_spectrally(self.discriminator)
        self._average = _average(self.generator, config.ema_decay) if config.ema_decay else None
        self._loss = losses.get(config.loss)
        self._penalty = penalties.get(config.penalty)
        self._penalty_rng = torch.Generator(device).manual_seed(config.seed)
        self._d_optimizer = _adam(self.discriminator, config.lr_d or config.lr, config)
        self._g_optimizer = _adam(self.generator, config.lr, config)
        self._steps_taken = 0

    @property
    def sampler(self) -> nn.Module:
        """The generator that images are drawn from: the average where there is one."""
        return self._average.module if self._average else self.generator

    def step(self, real: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Update the discriminator ``d_steps`` times, then the generator once, on the last one's noise.

        Args:
            real: Real images in [-1, 1], shape ``(d_steps * N, C, H, W)``.
            noise: The generator's noise, shape ``(d_steps * N, noise_dim)``.

        Returns:
            ``d_loss``, the last update's with its penalty, and ``g_loss``, each of shape ``()``.

        Raises:
            TrainingDiverged: A loss or gradient is not finite; the network it belongs to was not updated.
        """
        *earlier, (last_real, last_noise) = zip(
            real.chunk(self._config.d_steps), noise.chunk(self._config.d_steps), strict=True
        )
        for real_batch, noise_batch in earlier:
            with torch.no_grad():
                fake = self.generator(noise_batch)
            self._update_discriminator(real_batch, fake)
        fake = self.generator(last_noise)
        d_loss = self._update_discriminator(last_real, fake.detach())
        g_loss = self._update_generator(last_real, fake)
        if self._average:
            self._average.update_parameters(self.generator)
        self._steps_taken += 1
        return {"d_loss": d_loss, "g_loss": g_loss}

    def generate(self, noise: Tensor) -> Tensor:
        """Return images ``(N, C, H, W)`` in [-1, 1] for noise ``(N, noise_dim)``, in eval mode."""
        self.sampler.eval()
        with torch.inference_mode():
            images = torch.cat([self.sampler(batch) for batch in noise.split(GENERATION_BATCH)])
        self.sampler.train()
        return images

    def _update_discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).split([len(real), len(fake)])
        loss = self._loss.discriminator(real_logits, fake_logits)
        penalty = self._penalty(self.discriminator, real, fake, self._penalty_rng)
        if penalty is not None:
            loss = loss + self._config.penalty_weight * penalty
        self._update("d", loss, self._d_optimizer)
        return loss.detach()

    def _update_generator(self, real: Tensor, fake: Tensor) -> Tensor:
        if self._loss.generator_uses_real:
            real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).split(
                [len(real), len(fake)]
            )
        else:
            real_logits, fake_logits = None, self.discriminator(fake)
        loss = self._loss.generator(real_logits, fake_logits)
        self._update("g", loss, self._g_optimizer)
        return loss.detach()

    def _update(self, network: str, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Take one step down the loss's gradient with respect to the optimiser's weights alone."""
        self._require_finite(f"{network}_loss", loss)
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        optimizer.zero_grad()
        loss.backward(inputs=weights)
        self._require_finite(f"{network}_gradient", get_total_norm([weight.grad for weight in weights]))
        optimizer.step()

    def _require_finite(self, name: str, value: Tensor) -> None:
        if not value.isfinite():
            raise TrainingDiverged(self._steps_taken + 1, name, value.item())


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
        TrainingDiverged: A loss, a gradient or an image is not finite.
    """
    data = data.to(device)
    evaluator = evaluator or Evaluator(data, device)
    trainer = Trainer(config, data.image_shape, device)
    noise_rng = torch.Generator(device).manual_seed(config.seed)
    images_a_step = config.batch_size * config.d_steps
    batches = _shuffled_batches(len(data.train), images_a_step, config.seed)
    started, steps_reported = perf_counter(), 0
    for step in range(1, config.steps + 1):
        real = to_unit_range(data.train[next(batches).to(device)])
        step_losses = trainer.step(real, draw_noise(config, len(real), noise_rng))
        if step % config.report_every == 0 or step == config.steps:
            metrics = {name: loss.item() for name, loss in step_losses.items()}
            images = (step - steps_reported) * images_a_step
            metrics["images_per_s"] = images / (perf_counter() - started)
            yield _report(step, metrics, trainer, evaluator, config, device)
            started, steps_reported = perf_counter(), step


def draw_noise(config: TrialConfig, n: int, rng: torch.Generator) -> Tensor:
    """Draw noise ``(n, noise_dim)``, uniform on [-1, 1) or normal, on the device of ``rng``."""
    return _noise(config.noise, (n, config.noise_dim), rng)


def sample_noise(config: TrialConfig, device: torch.device | str = "cpu") -> Tensor:
    """Return the noise ``(64, noise_dim)`` that every sample grid is drawn from.

    It is one bank for all noise dimensions: a smaller one has the first coordinates of a larger one.
    """
    rng = torch.Generator().manual_seed(SAMPLE_SEED)
    coordinates = [_noise(config.noise, (SAMPLES,), rng) for _ in range(config.noise_dim)]
    return torch.stack(coordinates, dim=1).to(device)


def _noise(kind: str, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    if kind == "normal":
        return torch.randn(shape, generator=rng, device=rng.device)
    return torch.rand(shape, generator=rng, device=rng.device) * 2 - 1


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
    noise = draw_noise(config, config.eval_samples, evaluation_rng)
    images = trainer.generate(noise)
    if not images.isfinite().all():
        raise TrainingDiverged(step, "samples", float("nan"))
    scores = evaluator(images)
    samples = to_uint8(trainer.generate(sample_noise(config, device))).cpu()
    return Report(step, metrics | scores, samples)


def _adam(network: nn.Module, lr: float, config: TrialConfig) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=lr, betas=(config.beta1, config.beta2), fused=True)


def _average(generator: nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay))


def _normalise_spectrally(network: nn.Module) -> None:
    """Divide the weight of every linear and convolutional layer by its largest singular value."""
    for layer in [*network.modules()]:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            spectral_norm(layer)


def _shuffled_batches(n_images: int, batch_size: int, seed: int) -> Iterator[Tensor]:
    """Yield index batches without end: epochs in random order, one after another without a gap."""
    rng = torch.Generator().manual_seed(seed)
    indices = torch.empty(0, dtype=torch.long)
    while True:
        while len(indices) < batch_size:
            indices = torch.cat([indices, torch.randperm(n_images, generator=rng)])
        yield indices[:batch_size]
        indices = indices[batch_size:]
