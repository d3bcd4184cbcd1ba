"""check_loop finds what a loop does wrong within a few steps."""

from copy import deepcopy
from time import time

import pytest
import torch
from torch import nn

from gan_core import LoopError, Snapshot, TrialConfig, check_loop
from gan_core.adversarial import train_gan
from tests.gan_core.small_loops import Config, moments, network


def averaged(
    forgets=(), seed=None, stays_in_eval_mode=False, draws_alone=False, noise=None, late=False, lazy=False
):
    """Return a loop with an average and batch normalization, and with the mistakes of the arguments."""

    def loop(config: Config, data, device, state=None):
        if seed is not None:
            torch.manual_seed(seed)
        generator = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), *network(data.image_shape))
        average = deepcopy(generator)
        optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr)
        batches = data.batches(config.batch_size, config.seed if seed is None else seed)
        parts = {"generator": generator, "average": average, "optimizer": optimizer, "batches": batches}
        kept = {name: part for name, part in parts.items() if name not in forgets}
        for name, part in kept.items() if state else ():
            part.load_state_dict(state[name])
        for group in optimizer.param_groups:
            group["lr"] = config.lr
        own = torch.Generator().manual_seed(0)

        def sample(n, rng):
            network_of_samples = generator if stays_in_eval_mode else average
            return network_of_samples.eval()(torch.randn(n, 8, generator=own if draws_alone else rng))

        start = state["step"] if state else 0
        for step in range(start + 1, config.steps + 1):
            fake = generator(torch.randn(16, 8) if noise is None else noise(16, 8))
            loss = (next(batches).images.mean(0) - fake.mean(0)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                for mean, value in zip(average.parameters(), generator.parameters(), strict=True):
                    mean.lerp_(value, 0.3)
            if step % config.report_every == 0 or (step == config.steps and not late):
                metrics = {"loss": loss.detach(), "images_per_s": time()}
                saved = {"step": step} | {name: part.state_dict() for name, part in kept.items()}
                yield Snapshot(
                    step,
                    sample,
                    average,
                    metrics,
                    state=None if lazy else lambda saved=saved: deepcopy(saved),
                )

    return loop


def test_loops_that_keep_the_protocol_pass(digits):
    assert check_loop(averaged(), digits) == []
    assert check_loop(moments, digits, Config(lr=0.1)) == []
    small = TrialConfig(batch_size=16, ema_decay=0.9, d_steps=2, penalty="dragan")
    assert check_loop(train_gan, digits, small) == []


def test_a_loop_without_a_state_is_remarked_upon(digits):
    (remark,) = check_loop(averaged(lazy=True), digits)
    assert remark.endswith("loop yields no state: an interrupted training starts over")


@pytest.mark.parametrize("forgets", ["optimizer", "average", "batches", "generator"])
def test_what_a_state_forgets_is_found(digits, forgets):
    with pytest.raises(LoopError, match=r"at step 6 differs after a restart from the state of step 3: "):
        check_loop(averaged(forgets=[forgets]), digits)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"seed": 0}, "runs with the seeds 0 and 1 have equal samples at step 3: do not seed random numbers"),
        ({"noise": lambda *shape: torch.randn(*shape, generator=ENTROPY)}, "two runs with one seed differ"),
        ({"stays_in_eval_mode": True}, "sampling changes the training: .* if no samples are drawn at step 3"),
        ({"draws_alone": True}, "sample returns other images for the same random numbers: draw them from"),
        ({"late": True}, "ended after step 6, before config.steps, 7"),
        ({"noise": lambda *shape: 1 / 0}, "raised ZeroDivisionError: division by zero"),
    ],
    ids=["seed", "entropy", "eval-mode", "own-rng", "late", "crash"],
)
def test_a_mistake_is_named_with_its_remedy(digits, mistake, message):
    with pytest.raises(LoopError, match=message) as error:
        check_loop(averaged(**mistake), digits)
    assert str(error.value).startswith(f"{__name__}:averaged.<locals>.loop")


ENTROPY = torch.Generator()
"""A random generator that is not seeded again for each run."""
