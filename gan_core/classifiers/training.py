"""Train a classifier of a dataset's images: from a seed, by one recipe for grey and one for colour images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, pad

from gan_core.architectures import ImageShape
from gan_core.classifiers.networks import Classifier, ResidualClassifier
from gan_core.datasets import ImageDataset
from gan_core.images import normalize

PROGRESS_EVERY = 50
OnProgress = Callable[[int, int, float], None]
"""Called with the steps taken, the number of all steps, and the accuracy on the last batch, in [0, 1]."""


@dataclass(frozen=True)
class Recipe:
    """How a kind of classifier is trained.

    Args:
        identity: The name and version of the recipe. Change it whenever the recipe changes, so that cached
            classifiers are trained again.
        network: Builds the untrained network from the image shape and the number of classes.
        optimizer: Builds the optimizer from the network's parameters.
        learning_rate: The largest learning rate of the one-cycle schedule.
        warm_up: The share of the steps before the largest learning rate.
        batch_size: Images per step.
        max_epochs: The most epochs.
        max_steps: The most steps.
        label_smoothing: The share of the target that all classes get equally.
        augment: Changes a batch of images at random.
    """

    identity: str
    network: Callable[[ImageShape, int], nn.Module]
    optimizer: Callable[[Iterator[nn.Parameter]], torch.optim.Optimizer]
    learning_rate: float
    warm_up: float
    batch_size: int
    max_epochs: int
    max_steps: int
    label_smoothing: float
    augment: Callable[[Tensor], Tensor]


def recipe_of(image_shape: ImageShape) -> Recipe:
    """Return the recipe for images: one for grey images, one for colour images."""
    return _GREY if image_shape[0] == 1 else _COLOUR


def train_classifier(
    data: ImageDataset,
    *,
    seed: int = 0,
    max_steps: int | None = None,
    on_progress: OnProgress | None = None,
) -> nn.Module:
    """Train a classifier on the training images of ``data``; a seed gives the same classifier on one CPU.

    It trains with a one-cycle learning rate on randomly changed images, for the epochs of its recipe, or for
    ``max_steps`` steps if they are fewer. ``on_progress`` is called every 50 steps, and after the last one.

    Returns:
        The network in evaluation mode: features ``(N, d)`` and class logits ``(N, K)`` of images in [-1, 1].

    Raises:
        ValueError: The dataset has no labels.
    """
    if data.train_labels is None:
        raise ValueError(f"{data.name} has no classes")
    recipe = recipe_of(data.image_shape)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        classifier = recipe.network(data.image_shape, int(data.train_labels.max()) + 1)
        batch_size = min(recipe.batch_size, len(data.train))
        all_steps = recipe.max_epochs * (len(data.train) // batch_size)
        total_steps = min(recipe.max_steps if max_steps is None else max_steps, all_steps)
        steps = _steps(classifier, recipe, data.train, data.train_labels, batch_size, total_steps)
        for step, share_right in enumerate(steps, 1):
            if on_progress and (step % PROGRESS_EVERY == 0 or step == total_steps):
                on_progress(step, total_steps, float(share_right))
    return classifier.eval()


def _steps(
    classifier: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor, batch_size: int, total_steps: int
) -> Iterator[Tensor]:
    """Take the steps of a training; yield, after each step, the accuracy on its batch."""
    optimizer = recipe.optimizer(classifier.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.learning_rate, total_steps=total_steps, pct_start=recipe.warm_up
    )
    for batch in _batches(len(images), batch_size, total_steps):
        _, logits = classifier(recipe.augment(normalize(images[batch])))
        loss = cross_entropy(logits, labels[batch], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        yield (logits.argmax(1) == labels[batch]).float().mean()


def accuracy(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the share of uint8 images whose predicted class is their label, in [0, 1]."""
    with torch.inference_mode():
        _, logits = classifier(normalize(images))
        return float((logits.argmax(1) == labels).float().mean())


def _batches(n_images: int, batch_size: int, total_steps: int) -> Iterator[Tensor]:
    """Yield index batches of shuffled epochs, dropping each epoch's incomplete last batch."""
    epoch: list[Tensor] = []
    for _ in range(total_steps):
        if not epoch:
            order = torch.randperm(n_images)
            epoch = [*order[: n_images - n_images % batch_size].split(batch_size)]
        yield epoch.pop(0)


def _turn_scale_and_shift(images: Tensor) -> Tensor:
    """Randomly rotate by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels in 28."""
    n, device = len(images), images.device
    angle = (torch.rand(n, device=device) - 0.5) * 0.35
    scale = 1 + (torch.rand(n, device=device) - 0.5) * 0.2
    shift = (torch.rand(n, 2, device=device) - 0.5) * (8 / 28)
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(n, 2, 2)
    theta = torch.cat([rotation * scale.view(n, 1, 1), shift.unsqueeze(2)], dim=2)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def _flip_and_shift(images: Tensor) -> Tensor:
    """Mirror half of the images, and shift each by up to an eighth of its height and width."""
    n, channels, height, width = images.shape
    up, left = height // 8, width // 8
    mirrored = torch.where(torch.rand(n, 1, 1, 1) < 0.5, images.flip(3), images)
    padded = pad(mirrored, (left, left, up, up), mode="reflect")
    rows = torch.randint(0, 2 * up + 1, (n, 1)) + torch.arange(height)
    columns = torch.randint(0, 2 * left + 1, (n, 1)) + torch.arange(width)
    image, channel = torch.arange(n).view(n, 1, 1, 1), torch.arange(channels).view(1, channels, 1, 1)
    shifted = padded[image, channel, rows.view(n, 1, height, 1), columns.view(n, 1, 1, width)]
    return shifted.contiguous(memory_format=torch.channels_last)


_GREY = Recipe(
    identity="procedure 1",
    network=Classifier,
    optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=3e-3, weight_decay=1e-2),
    learning_rate=3e-3,
    warm_up=0.3,
    batch_size=64,
    max_epochs=30,
    max_steps=6000,
    label_smoothing=0.0,
    augment=_turn_scale_and_shift,
)
"""4,000 digits are enough for it."""

_COLOUR = Recipe(
    identity="residual 1",
    network=lambda shape, n: ResidualClassifier(shape, n).to(memory_format=torch.channels_last),
    optimizer=lambda parameters: torch.optim.SGD(
        parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    ),
    learning_rate=0.1,
    warm_up=0.2,
    batch_size=128,
    max_epochs=30,
    max_steps=2200,
    label_smoothing=0.1,
    augment=_flip_and_shift,
)
