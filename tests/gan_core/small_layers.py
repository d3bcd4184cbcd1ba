"""Layers that a step takes before its discriminator, for tests of captured steps."""

import torch

from gan_core.architectures import Architecture, architectures


class Reads(torch.nn.Module):
    """Reads the value of a tensor, for which the CPU waits for the device."""

    def forward(self, images):
        return images * 2 if images.mean() > 5 else images


def raise_in_a_capture():
    """Raise, as a layer does that cannot be captured."""
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


def pair_with(layer):
    """Return an architecture with a layer of this kind before the discriminator."""

    class Pair(Architecture):
        independent_rows = True
        generator = staticmethod(architectures.get("mlp").generator)

        @staticmethod
        def discriminator(config, image_shape):
            return torch.nn.Sequential(layer(), architectures.get("mlp").discriminator(config, image_shape))

    return Pair
