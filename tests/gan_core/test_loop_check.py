"""check_loop finds what a loop does wrong within a few steps."""

import sys
from copy import deepcopy
from dataclasses import replace
from math import nan
from time import time

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_core import LoopConfig, LoopError, Snapshot, TrainingDiverged, TrialConfig, check_loop
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
    small = TrialConfig(batch_size=16, ema_decay=0.9, d_steps=2, penalty="dragan")
    for loop, config in ((averaged(), None), (moments, Config(lr=0.1)), (train_gan, small)):
        assert check_loop(loop, digits, config).remarks == ()


def test_what_a_loop_does_right_is_named(digits):
    waits = []
    found = check_loop(averaged(), digits, on_progress=waits.append)
    assert found.passed == (
        "yields at each report, and ends after its last step",
        "draws finite images of shape 1 x 28 x 28 in [-1, 1], 250 at once and one alone",
        "reports finite numbers: loss",
        "gives one result with one seed, bit for bit, and another with another seed",
        "trains alike whether or not samples are drawn",
        "draws the samples of an earlier report again from the weights of its generator",
        "resumes: the report of step 6 equals that of a run that restarts from the state of step 3",
    )
    assert found.resumes
    assert found.keeps_best
    assert 100_000 < found.checkpoint_bytes < 1_000_000
    assert waits[0] == f"waiting for {__name__}:averaged.<locals>.loop to report step 3"


def test_a_loop_without_a_state_is_remarked_upon(digits):
    found = check_loop(averaged(lazy=True), digits)
    (remark,) = found.remarks
    assert remark.endswith("loop yields no state: an interrupted training starts over")
    assert not found.resumes


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
        ({"noise": lambda *shape: 1 / 0}, r"raised ZeroDivisionError: .* \(test_loop_check.py, line \d+\)$"),
        ({"noise": lambda *shape: sys.exit(3)}, r"raised SystemExit: 3 \(test_loop_check.py, line \d+\)$"),
    ],
    ids=["seed", "entropy", "eval-mode", "own-rng", "late", "crash", "exit"],
)
def test_a_mistake_is_named_with_its_remedy(digits, mistake, message):
    with pytest.raises(LoopError, match=message) as error:
        check_loop(averaged(**mistake), digits)
    assert str(error.value).startswith(f"{__name__}:averaged.<locals>.loop")


ENTROPY = torch.Generator()
"""A random generator that is not seeded again for each run."""


def changed(**changes):
    """Return the loop ``moments`` with changed parts of its snapshots."""

    def loop(config: Config, data, device, state=None):
        for snapshot in moments(config, data, device, state):
            new = {name: change(getattr(snapshot, name)) for name, change in changes.items()}
            yield replace(snapshot, **new)

    return loop


def with_state(value):
    """Return a loop with a value in its state."""
    return changed(state=lambda state: lambda: state() | {"x": value})


def with_samples(change):
    return changed(sample=lambda sample: lambda n, rng: change(sample(n, rng)))


def catches_everything(config: Config, data, device, state=None):
    for snapshot in moments(config, data, device, state):
        try:
            yield snapshot
        except BaseException:  # noqa: BLE001 - the mistake
            yield snapshot


def rereads_its_state_wrongly(config: Config, data, device, state=None):
    if state is not None:
        state["no such key"]
    yield from moments(config, data, device, state)


def diverges(config: Config, data, device, state=None):
    raise TrainingDiverged(2, "loss", float("inf"))
    yield


def prints_and_leaves_autocast_on(config: Config, data, device, state=None):
    print("step 1 of 7")  # noqa: T201
    torch.autocast("cpu", torch.bfloat16).__enter__()
    yield from moments(config, data, device, state)


def takes_too_little(config: Config, data):
    yield from moments(config, data, torch.device("cpu"))


def loads_nothing(config: Config, data, device, state=None):
    if state is not None:
        nn.Linear(2, 2).load_state_dict({})
    yield from moments(config, data, device, state)


A_CHECKPOINT = "; a checkpoint holds tensors, Python's numbers, text, and tuples, lists and dicts of them$"


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (
            with_samples(lambda x: x.numpy()),
            r"must return a torch.Tensor of shape \(250, 1, .*, got a ndarray$",
        ),
        (with_samples(lambda x: x.flatten(1)), r"of shape \(250, 1, 28, 28\), got \(250, 784\)$"),
        (with_samples(lambda x: x[:64]), r"of shape \(250, 1, 28, 28\), got \(64, 1, 28, 28\)$"),
        (with_samples(lambda x: (x + 1) * 127.5), r"in \[-1, 1\], got .*: return images / 127.5 - 1$"),
        (with_samples(lambda x: x * 1.5), r"in \[-1, 1\], got .*: add .clamp\(-1, 1\)$"),
        (with_samples(lambda x: x / 0), "diverges in the first 7 steps: samples is nan at step 3$"),
        (diverges, "diverges in the first 7 steps: loss is inf at step 2$"),
        (changed(sample=lambda _: lambda n: None), r"sample must have the parameters .*, got \(n\)$"),
        (changed(sample=lambda _: None), r"sample must be a function \(n, rng\), got a NoneType$"),
        (changed(metrics=lambda _: {"fid": 3.0}), "gan_core computes fid itself: rename that metric"),
        (changed(metrics=lambda _: {"a": torch.ones(3)}), r"got a Tensor of shape \(3,\): take its mean$"),
        (changed(metrics=lambda _: {"a": nan}), "the metric a is nan at step 3: a trial with a metric that"),
        (
            changed(messages=lambda _: "hello"),
            r"messages must be a list of sentences, got 'hello': write mes",
        ),
        (changed(messages=lambda _: [3]), r"messages must be a list of sentences, got \[3\]: write messages"),
        (with_samples(lambda _: {}["z"]), r": sample raised KeyError: 'z' \(test_loop_check.py, line \d+\)$"),
        (changed(grid=lambda _: lambda: 1 / 0), r": grid raised ZeroDivisionError: division by zero \(.*\)$"),
        (changed(step=float), "the step of a snapshot must be a whole number, got a float$"),
        (changed(state=lambda state: state()), "state must be a function .*, got a dict: write 'state=lamb"),
        (changed(generator=lambda _: len), "generator must be a torch.nn.Module, got a builtin_function"),
        (changed(generator=deepcopy), "the generator's weights of step 3, loaded at the next report, do not"),
        (with_state(np.array([object()])), rf"state\(\)\['x'\] is a numpy.ndarray{A_CHECKPOINT}"),
        (with_state(Config()), rf"state\(\)\['x'\] is a tests.gan_core.small_loops.Config{A_CHECKPOINT}"),
        (with_state(lambda: 3), rf"state\(\)\['x'\] is a function{A_CHECKPOINT}"),
        (with_state({1, 2}), rf"state\(\)\['x'\] is a set{A_CHECKPOINT}"),
        (catches_everything, "yields again when it is closed: write 'except Exception' where it catches"),
        (rereads_its_state_wrongly, r"KeyError: 'no such key' \(.*, line \d+\) after a restart from the sta"),
        (
            loads_nothing,
            r"state_dict for Linear: Missing key\(s\) .*\) after a restart from the state of step 3$",
        ),
        (
            takes_too_little,
            r"must have the parameters \(config, data, device\) or .*, got \(config: .*, data\)$",
        ),
    ],
)
def test_a_realistic_mistake_is_one_plain_sentence(digits, loop, message):
    with pytest.raises(LoopError, match=message) as error:
        check_loop(loop, digits)
    assert str(error.value).startswith(f"{__name__}:")
    assert len(str(error.value).splitlines()) == 1


def test_a_yield_before_the_step_is_found(digits):
    def loop(config: Config, data, device, state=None):
        generator = network(data.image_shape)
        optimizer = torch.optim.SGD(generator.parameters(), 0.1)

        def sample(n, rng):
            return generator(torch.randn(n, 8, generator=rng))

        if state:
            generator.load_state_dict(state["generator"])
        for step in range(state["step"] + 1 if state else 1, config.steps + 1):
            if config.reports_at(step):
                kept = {"step": step, "generator": generator.state_dict()}
                yield Snapshot(step, sample, generator, state=lambda kept=kept: kept)
            optimizer.zero_grad()
            generator(torch.ones(1, 8)).mean().backward()
            optimizer.step()

    with pytest.raises(LoopError, match="yield after the step, not before it"):
        check_loop(loop, digits)


def test_samples_that_are_probably_in_0_to_1_are_remarked_upon(digits):
    (remark,) = check_loop(with_samples(lambda x: (x + 1) / 2), digits).remarks
    assert (
        "the images of mnist-5k in [-1, 1]: if sample returns images in [0, 1], return 2 * images - 1"
        in remark
    )


@pytest.mark.parametrize("loop", [with_samples(Tensor.double), prints_and_leaves_autocast_on])
def test_what_does_no_harm_passes(digits, loop):
    assert check_loop(loop, digits).remarks == ()


def yields_at_each_step(config: Config, data, device):
    yield from moments(config.model_copy(update={"report_every": 1}), data, device)


def test_a_loop_that_yields_at_each_step_learns_when_a_report_is_due(digits):
    with pytest.raises(LoopError, match=r"due at step 3: yield if config.reports_at\(step\)$"):
        check_loop(yields_at_each_step, digits)


@pytest.mark.filterwarnings("error")
def test_a_metric_with_a_graph_is_detached(digits):
    check_loop(changed(metrics=lambda _: {"a": torch.ones((), requires_grad=True) * 2}), digits)


class WithoutDefault(LoopConfig):
    lr: float


class WithText(LoopConfig):
    lr: float = "fast"


class WithList(LoopConfig):
    widths: list[int] = [1, 2]  # noqa: RUF012 - the mistake


def needs_a_default(config: WithoutDefault, data, device):
    yield


def has_text(config: WithText, data, device):
    yield


def has_a_list(config: WithList, data, device):
    yield


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (needs_a_default, "WithoutDefault.lr needs a default: type lr: TYPE = VALUE$"),
        (has_text, "the default of WithText.lr is 'fast': Input should be a valid number$"),
        (
            has_a_list,
            "the default of WithList.widths is a list: allowed are numbers, strings, booleans and None$",
        ),
    ],
)
def test_a_config_that_a_file_refuses_is_refused(digits, loop, message):
    with pytest.raises(LoopError, match=f"^{__name__}:{loop.__name__}: {message}"):
        check_loop(loop, digits)
