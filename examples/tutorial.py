"""The tutorial's GAN, trained by the loop of its notebook, with one ``yield``."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn

import gan_core
from gan_core.noise import rng_for

bce_loss = nn.BCEWithLogitsLoss()


class Config(gan_core.LoopConfig):
    lr: Annotated[float, gan_core.Changeable] = Field(3e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    batch_size: int = Field(128, ge=2)
    noise_dim: int = Field(96, ge=1)


def discriminator():
    net = nn.Sequential(nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 256), nn.LeakyReLU(0.2))
    return net.append(nn.Linear(256, 1))


def generator(noise_dim):
    net = nn.Sequential(nn.Linear(noise_dim, 1024), nn.ReLU(True), nn.Linear(1024, 1024), nn.ReLU(True))
    return net.append(nn.Linear(1024, 784)).append(nn.Tanh())


def train(config: Config, data: gan_core.ImageDataset, device: torch.device, state=None):
    D_net, G_net = discriminator().to(device), generator(config.noise_dim).to(device)
    D_optimizer, G_optimizer = (torch.optim.Adam(net.parameters()) for net in (D_net, G_net))
    train_data, rng = data.batches(config.batch_size, config.seed, device), rng_for("noise", config.seed)
    parts = [D_net, G_net, D_optimizer, G_optimizer, train_data]
    start, saved, noise = state or (0, [], rng.get_state())
    for part, its in zip(parts, saved, strict=False):
        part.load_state_dict(its)
    rng.set_state(noise)
    for group in (*D_optimizer.param_groups, *G_optimizer.param_groups):
        group.update(lr=config.lr, betas=(config.beta1, 0.999))

    def seed(n, rng):
        return ((torch.rand(n, config.noise_dim, generator=rng) - 0.5) / 0.5).to(device)

    for step in range(start + 1, config.steps + 1):
        x, g_fake_seed = next(train_data).images, seed(config.batch_size, rng)
        real, fake = D_net(x.flatten(1)), D_net(G_net(g_fake_seed))
        d_error = bce_loss(real, torch.ones_like(real)) + bce_loss(fake, torch.zeros_like(fake))
        D_optimizer.zero_grad(), d_error.backward(), D_optimizer.step()
        fake = D_net(G_net(g_fake_seed))
        g_error = bce_loss(fake, torch.ones_like(fake))
        G_optimizer.zero_grad(), g_error.backward(), G_optimizer.step()
        if config.reports_at(step):
            metrics = {"d_loss": d_error.detach(), "g_loss": g_error.detach()}
            state = step, [part.state_dict() for part in parts], rng.get_state()
            sample = lambda n, rng: G_net(seed(n, rng)).view(n, 1, 28, 28)
            yield gan_core.Snapshot(step, sample, G_net, metrics, lambda state=state: state)
