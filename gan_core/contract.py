"""The contract of every combination of components, checked by training it briefly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from gan_core.architectures import ImageShape
from gan_core.checkpoint import load_checkpoint, save_checkpoint
from gan_core.config import TrialConfig
from gan_core.devices import META, uses_fixed_device
from gan_core.discriminators import declared_independent, ends_in_sigmoid, found_independent
from gan_core.errors import ContractError, in_one_line
from gan_core.generator import Generator
from gan_core.noise import draw_noise
from gan_core.trainer import Trainer, generate_batches

STEPS, BATCH_SIZE = 20, 8
LEARNING_RATE = 1e-4
LARGE_NOISE_SCALE = 100.0
TOLERANCE = 1e-3
"""The maximum rounding error of a pixel, relative to the largest pixel."""

MIN_LOGIT_DIMENSIONS = 2

FIX_STATE = "keep all state in parameters and buffers"


def check_contract(config: TrialConfig, image_shape: ImageShape, device: torch.device | str = "cpu") -> None:
    """Train a combination of components for 20 steps of 8 random images each, and check it.

    - The same seed always builds the same two networks.
    - The generator returns finite images of ``image_shape`` for any noise, also after training; in eval mode
      they are float32, and an image does not depend on the other noise of its batch. Scores and samples clamp
      images to [-1, 1].
    - The discriminator returns finite logits, ``(N, 1)``, ``(N, k)`` or ``(N, 1, h, w)``, that do not end in
      a sigmoid; both losses and the penalty are finite scalars.
    - The logits of an image may depend on the other images of its batch, as with batch normalization, unless
      the architecture declares ``independent_rows = True``.
    - Every parameter of both networks that is not frozen gets a finite gradient, and training changes every
      weight matrix.
    - No component creates tensors on a fixed device.
    - A trainer that is loaded from a checkpoint takes the same next step, and a generator that is built from
      the trained weights returns the same images.

    Args:
        config: The combination and its hyperparameters, with the precision to check it in. The check replaces
            the learning rates with 1e-4, so that no component fails because a rate is too high or too low.
        image_shape: Channels, height and width of the training images.
        device: The device to train on.

    Raises:
        ContractError: A component breaks the contract; the message names the component and the fault.
    """
    config = config.model_copy(update={"lr": LEARNING_RATE, "lr_d": config.lr_d and LEARNING_RATE})
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        _Check(config, image_shape, device).run()


class _Check:
    """One run of the check, with the random generator for its images and noise."""

    def __init__(self, config: TrialConfig, image_shape: ImageShape, device: torch.device) -> None:
        self._config = config
        self._shape = image_shape
        self._device = device
        self._chosen_loss, self._penalize = config.component("loss"), config.component("penalty")
        self._rng = torch.Generator().manual_seed(config.seed)
        self._architecture, self._loss, self._penalty = (
            _named(config, kind) for kind in ("architecture", "loss", "penalty")
        )
        self._combination = f"{self._architecture} with {self._loss} and {self._penalty}"

    def run(self) -> None:
        trainer = self._build()
        self._check_same(trainer, self._build())
        self._check_generator(trainer)
        logits_shape = self._check_discriminator(trainer)
        self._check_declared_rows()
        self._check_discriminator_loss(trainer)
        self._check_generator_loss(trainer)
        self._check_devices(logits_shape)
        self._check_training(trainer)
        self._check_checkpoint(trainer)
        self._check_samples(trainer)

    def _build(self, device: torch.device | None = None) -> Trainer:
        with _errors_named(f"{self._architecture}: building its networks"):
            return Trainer(self._config, self._shape, device or self._device)

    def _check_same(self, first: Trainer, second: Trainer) -> None:
        for network in ("generator", "discriminator"):
            one, other = (getattr(trainer, network).state_dict() for trainer in (first, second))
            if one.keys() != other.keys() or not all(torch.equal(one[name], other[name]) for name in one):
                raise ContractError(
                    f"{self._architecture}: two {network}s built from one seed differ: draw initial weights"
                    f" with torch only"
                )

    def _check_generator(self, trainer: Trainer) -> None:
        who = f"{self._architecture}: the generator"
        for scale in (1.0, LARGE_NOISE_SCALE):
            with _errors_named(who), torch.no_grad():
                images = trainer.fake_images(scale * self._noise(BATCH_SIZE))
            _require_tensor(f"{who}'s output", images, (BATCH_SIZE, *self._shape))

    def _check_discriminator(self, trainer: Trainer) -> torch.Size:
        """Check the logits of a batch, and return their shape."""
        who = f"{self._architecture}: the discriminator"
        with _errors_named(who), torch.no_grad():
            logits = trainer.logits(self._real(BATCH_SIZE))
        if logits.dim() < MIN_LOGIT_DIMENSIONS or len(logits) != BATCH_SIZE:
            raise ContractError(
                f"{who}'s output for {BATCH_SIZE} images must have shape ({BATCH_SIZE}, 1), ({BATCH_SIZE}, k)"
                f" or ({BATCH_SIZE}, 1, h, w), got {tuple(logits.shape)}: return logits.view(len(images), -1)"
            )
        _require_tensor(f"{who}'s output", logits, tuple(logits.shape))
        if ends_in_sigmoid(self._config, self._shape, self._device):
            raise ContractError(
                f"{who}'s output is always in [0, 1], because it ends in a sigmoid or the like: return the"
                " logits before it, which every loss expects"
            )
        return logits.shape

    def _check_declared_rows(self) -> None:
        if not declared_independent(self._config):
            return
        if not found_independent(self._config, self._shape, self._device):
            raise ContractError(
                f"{self._architecture}: it declares independent_rows = True, but the discriminator's logits"
                " of an image depend on the other images of its batch: remove the declaration"
            )

    def _check_discriminator_loss(self, trainer: Trainer) -> None:
        real, who = self._real(BATCH_SIZE), f"{self._loss}: the discriminator's loss"
        with torch.no_grad():
            fake = trainer.fake_images(self._noise(BATCH_SIZE))
        with _errors_named(who):
            loss = self._chosen_loss.discriminator(trainer.logits(real), trainer.logits(fake))
        self._check_loss(who, loss)
        self._check_gradients("discriminator", trainer.discriminator, loss)
        with _errors_named(self._penalty):
            rng = torch.Generator(self._device).manual_seed(self._config.seed)
            penalty = self._penalize(trainer.discriminator, real, fake, rng)
        if penalty is not None:
            self._check_loss(self._penalty, penalty)

    def _check_generator_loss(self, trainer: Trainer) -> None:
        who = f"{self._loss}: the generator's loss"
        real_logits = (
            trainer.logits(self._real(BATCH_SIZE)) if self._chosen_loss.generator_uses_real else None
        )
        fake_logits = trainer.logits(trainer.fake_images(self._noise(BATCH_SIZE)))
        with _errors_named(who):
            loss = self._chosen_loss.generator(real_logits, fake_logits)
        self._check_loss(who, loss)
        self._check_gradients("generator", trainer.generator, loss)

    def _check_loss(self, who: str, loss: Tensor) -> None:
        _require_tensor(who, loss, ())
        if not loss.requires_grad:
            raise ContractError(f"{who} has no gradient: compute it from the logits with torch operations")

    def _check_gradients(self, network: str, module: nn.Module, loss: Tensor) -> None:
        weights = {name: each for name, each in module.named_parameters() if each.requires_grad}
        gradients = torch.autograd.grad(loss, [*weights.values()], allow_unused=True)
        for name, gradient in zip(weights, gradients, strict=True):
            if gradient is None:
                raise ContractError(
                    f"{self._architecture}: the {network}'s output does not depend on its parameter {name}"
                )
            if not gradient.isfinite().all():
                raise ContractError(
                    f"{self._combination}: the gradient of the {network}'s parameter {name} is not finite"
                )

    def _check_training(self, trainer: Trainer) -> None:
        before, images = _weights_of(trainer), self._config.d_steps * BATCH_SIZE
        with _errors_named(f"{self._combination}: training"):
            for _ in range(STEPS):
                trainer.step(self._real(images), self._noise(images))
        for name, weight in _weights_of(trainer).items():
            if weight.dim() > 1 and torch.equal(weight, before[name]):
                raise ContractError(f"{self._combination}: {STEPS} training steps do not change {name}")

    def _check_samples(self, trainer: Trainer) -> None:
        """Check the trained generator as scores and exports use it."""
        who = f"{self._architecture}: the generator in eval mode"
        noise, others = self._noise(BATCH_SIZE), self._noise(BATCH_SIZE)
        others[0] = noise[0]
        with _errors_named(who):
            exported = Generator(self._config, self._shape, trainer.sampling_generator.state_dict())
            rebuilt = self._seeded(partial(generate_batches, exported.network.to(self._device)), noise)
            images, among_others = (self._seeded(trainer.sample_batches, each) for each in (noise, others))
        _require_tensor(f"{who}: the output", images, (BATCH_SIZE, *self._shape))
        if not _are_close(images, rebuilt):
            raise ContractError(
                f"{self._architecture}: a generator that is built from the trained weights returns different"
                f" images: {FIX_STATE}"
            )
        if not _are_close(images[0], among_others[0]):
            raise ContractError(
                f"{who}: an image depends on the other noise of its batch: use running statistics, as"
                " BatchNorm2d does by default"
            )

    def _seeded(self, sample: Callable[[Tensor], Iterator[Tensor]], noise: Tensor) -> Tensor:
        """Return the images of a function that may draw from torch's global random state."""
        torch.manual_seed(self._config.seed)
        return torch.cat([*sample(noise)])

    def _check_devices(self, logits_shape: torch.Size) -> None:
        """Check on PyTorch's meta device that every component creates its tensors where its inputs are."""
        cpu = self._build(torch.device("cpu"))
        generator, discriminator = cpu.generator.to(META), cpu.discriminator.to(META)
        noise, real = self._noise(BATCH_SIZE).to(META), self._real(BATCH_SIZE).to(META)
        logits = torch.empty(logits_shape, device=META)
        steps: dict[str, Callable[[], object]] = {
            f"{self._architecture}: the generator": lambda: [
                generator.train(mode)(noise) for mode in (True, False)
            ],
            f"{self._architecture}: the discriminator": lambda: discriminator(real),
            f"{self._loss}: the discriminator's loss": lambda: self._chosen_loss.discriminator(
                logits, logits
            ),
            f"{self._loss}: the generator's loss": lambda: self._chosen_loss.generator(logits, logits),
            self._penalty: lambda: self._penalize(discriminator, real, real.clone(), torch.Generator()),
        }
        for who, step in steps.items():
            if uses_fixed_device(step):
                raise ContractError(
                    f"{who} creates a tensor on the CPU, which fails on a GPU: create it with device=x.device"
                    " of an input x, or register it as a buffer"
                )

    def _check_checkpoint(self, trainer: Trainer) -> None:
        restored, images = self._build(), self._config.d_steps * BATCH_SIZE
        with _errors_named(f"{self._architecture}: loading a checkpoint"), TemporaryDirectory() as folder:
            file = Path(folder) / "checkpoint"
            save_checkpoint(file, trainer.state_dict())
            restored.load_state_dict(load_checkpoint(file, self._device))
        real, noise = self._real(images), self._noise(images)
        for each in (trainer, restored):
            torch.manual_seed(self._config.seed)
            each.step(real, noise)
        after = _weights_of(restored)
        for name, weight in _weights_of(trainer).items():
            if self._device.type == "cpu" and not torch.equal(weight, after[name]):
                raise ContractError(
                    f"{self._architecture}: after loading a checkpoint, a step updates {name} differently:"
                    f" {FIX_STATE}"
                )

    def _real(self, n: int) -> Tensor:
        return (torch.rand(n, *self._shape, generator=self._rng) * 2 - 1).to(self._device)

    def _noise(self, n: int) -> Tensor:
        return draw_noise(self._config, n, self._rng).to(self._device)


def _named(config: TrialConfig, kind: str) -> str:
    """Return a component for messages: ``architecture 'mine:Wide' with width 32``."""
    parameters = config.parameters_of_component(kind).items()
    values = ", ".join(f"{name} {value!r}" for name, value in parameters)
    return f"{kind} {getattr(config, kind)!r}" + (f" with {values}" if values else "")


@contextmanager
def _errors_named(who: str) -> Iterator[None]:
    """Re-raise any exception of the block as a ContractError that names its source."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise ContractError(f"{who} raised {in_one_line(error)}") from error


def _require_tensor(who: str, value: object, shape: tuple[int, ...]) -> None:
    """Raise ContractError unless ``value`` is a finite float32 tensor of this shape."""
    found = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    needed = f"{torch.float32} {shape}"
    if found != needed:
        raise ContractError(f"{who} must be {needed}, got {found}")
    if isinstance(value, Tensor) and not value.isfinite().all():
        raise ContractError(f"{who} must be finite, got NaN or infinite values")


def _are_close(images: Tensor, others: Tensor) -> bool:
    return bool((images - others).abs().max() <= TOLERANCE * images.abs().max())


def _weights_of(trainer: Trainer) -> dict[str, Tensor]:
    """Return a copy of every weight that is not frozen."""
    return {
        f"the {network}'s {name}": weight.detach().clone()
        for network in ("generator", "discriminator")
        for name, weight in getattr(trainer, network).named_parameters()
        if weight.requires_grad
    }
