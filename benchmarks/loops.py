"""Run training loops on one device at a time, each in a process of its own, and measure their speed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from benchmarks.step import BATCH_SIZE, TUTORIAL, Pictures, cycle_of
from gan_core import Trainer, TrialConfig, keep_freed_memory, load_dataset
from gan_core.choices import CudaGraphs, Precision
from gan_core.images import normalize
from gan_core.memory import limit_gpu_memory
from gan_core.noise import draw_noise, rng_for
from tests.gan_core.tutorial_loop import TutorialTrainer

N_IMAGES = 4_096
WARM_UP_STEPS = 5
START_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Workload:
    """A training loop, with what it trains.

    Args:
        architecture: The networks.
        size: The height and width of the images: 28 for digits, else random images in colour.
        loop: ``tutorial``, the tutorial's loop as written, or the precision of gan_core's loop.
        device: ``cuda`` or ``cpu``.
        share: The share of a GPU's memory that the process may allocate.
        graphs: ``auto`` replays gan_core's steps from a CUDA graph.
    """

    architecture: str
    size: int
    loop: Literal["tutorial"] | Precision
    device: str
    share: float = 1.0
    graphs: CudaGraphs = "off"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the images."""
        return (1 if self.size == DIGITS else 3), self.size, self.size


DIGITS = 28


@dataclass(frozen=True)
class Speed:
    """The speed of one process.

    Args:
        images_per_s: Real images per second.
        host_ms: Milliseconds that the process takes to start the work of a step, without waiting for it.
        peak_bytes: The most memory of a GPU that tensors occupied; 0 on a CPU.
    """

    images_per_s: float
    host_ms: float
    peak_bytes: int


def tutorials_loop(work: Workload) -> Iterator[None]:
    """Take a step of the tutorial's loop for each item."""
    trainer = TutorialTrainer(work.architecture, "bce")
    for network in (trainer.generator, trainer.discriminator):
        network.to(work.device)
    loader = DataLoader(Pictures(load_dataset("mnist-5k").train), batch_size=BATCH_SIZE, drop_last=True)
    for real, _ in cycle_of(loader):
        noise = (torch.rand(BATCH_SIZE, 96) - 0.5) / 0.5
        trainer.step(real.to(work.device), noise.to(work.device))
        yield


def our_loop(work: Workload) -> Iterator[None]:
    """Take a step of gan_core's loop for each item."""
    if work.loop == TUTORIAL:
        raise ValueError("the tutorial has a loop of its own")
    config = TrialConfig(
        architecture=work.architecture,
        precision=work.loop,
        batch_size=BATCH_SIZE,
        cuda_graphs=work.graphs,
    )
    trainer, rng = Trainer(config, work.shape, work.device), rng_for("benchmark", device=work.device)
    images = _images(work).to(work.device)
    for batch in cycle(torch.randperm(len(images), device=work.device).split(BATCH_SIZE)):
        if len(batch) == BATCH_SIZE:
            real = normalize(images.index_select(0, batch))
            trainer.step(real, draw_noise(config, BATCH_SIZE, rng))
            if trainer.fallback:
                raise RuntimeError(trainer.fallback)
            yield


def _images(work: Workload) -> Tensor:
    if work.size == DIGITS:
        return load_dataset("mnist-5k").train
    return torch.randint(256, (N_IMAGES, *work.shape), dtype=torch.uint8, generator=rng_for("benchmark"))


def measure(connection: Connection, work: Workload) -> None:
    """Warm up, report that, and send the :class:`Speed` for each number of seconds that is received."""
    torch.set_num_threads(1)
    keep_freed_memory()
    if work.device == "cuda":
        limit_gpu_memory(work.share)
    steps = tutorials_loop(work) if work.loop == TUTORIAL else our_loop(work)
    for _ in range(WARM_UP_STEPS):
        next(steps)
    _wait_for(work.device)
    connection.send("ready")
    with suppress(EOFError):
        while True:
            connection.send(_speed(steps, work.device, connection.recv()))


def _speed(steps: Iterator[None], device: str, seconds: float) -> Speed:
    """Take steps for some seconds; the process waits for a GPU after the first step and after the last."""
    next(steps)
    _wait_for(device)
    started = perf_counter()
    next(steps)
    host_s = perf_counter() - started
    n_steps = 1
    while perf_counter() - started < seconds:
        next(steps)
        n_steps += 1
    _wait_for(device)
    elapsed_s = perf_counter() - started
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return Speed(BATCH_SIZE * n_steps / elapsed_s, 1e3 * host_s, peak)


def _wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def speeds(works: Sequence[Workload], seconds: float, rounds: int) -> list[list[Speed]]:
    """Run loops at the same time, each in a process of its own.

    Args:
        works: The loops.
        seconds: The seconds of each round.
        rounds: The number of rounds.

    Returns:
        The speeds of all loops in each round.

    Raises:
        RuntimeError: A process ended or did not start; its error is on stderr.
    """
    with _processes(works) as connections:
        for connection in connections:
            _received(connection, START_TIMEOUT_S)
        return [_round(connections, seconds) for _ in range(rounds)]


def _round(connections: Sequence[Connection], seconds: float) -> list[Speed]:
    for connection in connections:
        connection.send(seconds)
    return [_received(connection, START_TIMEOUT_S + seconds) for connection in connections]


def _received(connection: Connection, timeout_s: float) -> Speed:
    try:
        if connection.poll(timeout_s):
            speed: Speed = connection.recv()
            return speed
    except EOFError:
        pass
    raise RuntimeError("a process of the benchmark ended or did not start in time")


@contextmanager
def _processes(works: Sequence[Workload]) -> Iterator[list[Connection]]:
    """Run :func:`measure` in new processes, and yield the connections to them."""
    context = get_context("spawn")
    connections, processes = [], []
    try:
        for work in works:
            ours, theirs = Pipe()
            process = context.Process(target=measure, args=(theirs, work), daemon=True)
            process.start()
            theirs.close()
            connections.append(ours)
            processes.append(process)
        yield connections
    finally:
        for connection in connections:
            connection.close()
        for process in processes:
            process.join(timeout=10)
            process.kill()
