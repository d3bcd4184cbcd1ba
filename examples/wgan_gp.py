"""WGAN-GP (arXiv:1704.00028) with a learning rate that falls to zero along a cosine."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

import gan_core


class Config(gan_core.LoopConfig):
    lr: float = Field(1e-4, gt=0)
    gp_weight: float = Field(10.0, ge=0)
    critic_steps: int = Field(5, ge=1, le=20)
    batch_size: int = Field(64, ge=2)
    width: Literal[128, 256, 512] = 256


def gradient_penalty(critic, real, fake):
    mix = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = real.lerp(fake, mix).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


def train(config: Config, data: gan_core.ImageDataset, device: torch.device, state=None):
    shape, pixels, width = data.image_shape, data.train[0].numel(), config.width
    generator = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    generator.extend([nn.Linear(width, pixels), nn.Tanh(), nn.Unflatten(1, shape)]).to(device)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(pixels, width), nn.LeakyReLU(0.2), nn.Linear(width, width))
    critic.extend([nn.LeakyReLU(0.2), nn.Linear(width, 1)]).to(device)
    optimizers = [torch.optim.Adam(net.parameters(), config.lr, (0.0, 0.9)) for net in (generator, critic)]
    schedules = [CosineAnnealingLR(optimizer, config.steps) for optimizer in optimizers]
    batches = data.batches(config.batch_size, config.seed, device)
    parts = [generator, critic, *optimizers, *schedules, batches]
    start, saved = state or (0, [])
    for part, its in zip(parts, saved, strict=False):
        part.load_state_dict(its)

    for step in range(start + 1, config.steps + 1):
        for _ in range(config.critic_steps):
            real, noise = next(batches).images, torch.randn(config.batch_size, 64, device=device)
            fake = generator(noise).detach()
            c_loss = critic(fake).mean() - critic(real).mean()
            penalty = gradient_penalty(critic, real, fake)
            loss = c_loss + config.gp_weight * penalty
            optimizers[1].zero_grad(), loss.backward(), optimizers[1].step()
        g_loss = -critic(generator(torch.randn(config.batch_size, 64, device=device))).mean()
        optimizers[0].zero_grad(), g_loss.backward(), optimizers[0].step()
        for schedule in schedules:
            schedule.step()
        if config.reports_at(step):
            state = step, [part.state_dict() for part in parts]
            sample = lambda n, rng: generator(torch.randn(n, 64, generator=rng).to(device))
            metrics = {"wasserstein": -c_loss.detach(), "g_loss": g_loss.detach()}
            yield gan_core.Snapshot(step, sample, generator, metrics, lambda state=state: state)
