"""The seed tutorial's training step as written: the generator runs twice and nothing is detached."""

import torch
from torch import nn


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


class SeedTrainer:
    """The tutorial's networks' optimisers and its loop body."""

    def __init__(self, generator, discriminator, loss):
        self.generator, self.discriminator = generator, discriminator
        self.discriminator_loss, self.generator_loss = LOSSES[loss]
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-4, betas=(0.5, 0.999))
        self.g_optimizer = torch.optim.Adam(generator.parameters(), lr=3e-4, betas=(0.5, 0.999))

    def step(self, real, noise):
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
