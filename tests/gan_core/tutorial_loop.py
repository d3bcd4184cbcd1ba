"""The tutorial as written: its networks, losses and step, which runs the generator twice."""

import torch
from torch import nn


def mlp_pair(noise_dim=96, leaky_slope=0.2):
    generator = nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(inplace=True),
        nn.Linear(1024, 1024),
        nn.ReLU(inplace=True),
        nn.Linear(1024, 784),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Linear(784, 256),
        nn.LeakyReLU(leaky_slope),
        nn.Linear(256, 256),
        nn.LeakyReLU(leaky_slope),
        nn.Linear(256, 1),
    )
    return generator, discriminator


def dcgan_pair(noise_dim=96):
    generator = nn.Sequential(
        nn.Linear(noise_dim, 1024),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(1024),
        nn.Linear(1024, 7 * 7 * 128),
        nn.ReLU(inplace=True),
        nn.BatchNorm1d(7 * 7 * 128),
        nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 64, 4, 2, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 1, 4, 2, padding=1),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 32, 5, 1),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(32, 64, 5, 1),
        nn.LeakyReLU(0.01),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(1024, 1024),
        nn.LeakyReLU(0.01),
        nn.Linear(1024, 1),
    )
    return generator, discriminator


PAIRS = {"mlp": mlp_pair, "dcgan": dcgan_pair}


def bce_discriminator_loss(logits_real, logits_fake):
    bce = nn.BCEWithLogitsLoss()
    return bce(logits_real, torch.ones_like(logits_real)) + bce(logits_fake, torch.zeros_like(logits_fake))


def bce_generator_loss(logits_fake):
    return nn.BCEWithLogitsLoss()(logits_fake, torch.ones_like(logits_fake))


def ls_discriminator_loss(scores_real, scores_fake):
    return 0.5 * ((scores_real - 1) ** 2).mean() + 0.5 * (scores_fake**2).mean()


def ls_generator_loss(scores_fake):
    return 0.5 * ((scores_fake - 1) ** 2).mean()


LOSSES = {
    "bce": (bce_discriminator_loss, bce_generator_loss),
    "lsgan": (ls_discriminator_loss, ls_generator_loss),
}


class TutorialTrainer:
    """The tutorial's networks and optimizers, and the body of its loop."""

    def __init__(self, architecture, loss, dtype=torch.float32):
        self._flat = architecture == "mlp"
        self.generator, self.discriminator = (network.to(dtype) for network in PAIRS[architecture]())
        self.discriminator_loss, self.generator_loss = LOSSES[loss]
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=3e-4, betas=(0.5, 0.999))
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), lr=3e-4, betas=(0.5, 0.999))

    @torch.no_grad()
    def copy_weights(self, trainer):
        """Copy the weights of a gan_core.Trainer, which has the same order of layers.

        Use its memory layout, too, because the state of its fused optimizers requires it.
        """
        for name in ("generator", "discriminator"):
            getattr(self, name).to(memory_format=torch.channels_last)
            ours, theirs = getattr(self, name).state_dict(), getattr(trainer, name).state_dict()
            for target, source in zip(ours.values(), theirs.values(), strict=True):
                target.copy_(source)

    def step(self, real, noise):
        real = real.flatten(1) if self._flat else real
        logits_real = self.discriminator(real)
        logits_fake = self.discriminator(self.generator(noise))
        d_error = self.discriminator_loss(logits_real, logits_fake)
        self.d_optimizer.zero_grad()
        d_error.backward()
        self.d_optimizer.step()

        g_error = self.generator_loss(self.discriminator(self.generator(noise)))
        self.g_optimizer.zero_grad()
        g_error.backward()
        self.g_optimizer.step()
        return {"d_loss": d_error.detach(), "g_loss": g_error.detach()}
