"""Gradients of a discriminator with respect to its input images."""

import torch
from torch import Tensor, nn


def mean_logits(logits: Tensor) -> Tensor:
    """Return the mean logit of each image, shape ``(N,)``, of logits ``(N, ...)``."""
    return logits.flatten(1).mean(1)


def image_gradients(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Return the gradient of each image's mean logit with respect to the image, as ``(N, C * H * W)``.

    The result can be differentiated again with respect to the discriminator's weights.
    """
    images = images.detach().requires_grad_()
    logits: Tensor = discriminator(images)
    (gradients,) = torch.autograd.grad(mean_logits(logits).sum(), images, create_graph=True)
    return gradients.flatten(1)


def one_centered_penalty(gradients: Tensor) -> Tensor:
    """Return the mean squared difference between the norms of gradients ``(N, F)`` and 1, shape ``()``."""
    distance: Tensor = gradients.norm(dim=1) - 1
    return distance.square().mean()
