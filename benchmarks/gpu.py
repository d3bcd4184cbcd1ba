"""Measure a GPU: ``python -m benchmarks.gpu``, at most 9 minutes.

The command measures the tutorial's loop and this project's on one card, with and without CUDA graphs, 1 to 8
trainings that share the card, and a small sweep from end to end. It writes ``benchmarks/GPU.md``, after each
part anew. ``--device cpu --quick`` runs the same code without a GPU, in a few minutes, and prints the page.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic

import torch
from rich.console import Console

import sweeps
from benchmarks.figures import Figure, conclude_page
from benchmarks.loops import DIGITS, Speed, Workload, speeds
from benchmarks.step import BATCH_SIZE, TUTORIAL
from gan_core import TrialConfig
from gan_core.architectures import architectures
from gan_core.choices import CudaGraphs, Precision
from gan_core.footprint import training_bytes
from gan_core.precision import has_fast_bf16
from sweeps.driver.environment import environment
from sweeps.words import duration

OUTPUT = Path(__file__).with_name("GPU.md")
SPEC = Path(__file__).parents[1] / "search_spaces" / "lsgan.yaml"
LAST_START_S = 7.5 * 60.0
"""No measurement starts later: the longest takes about a minute."""

SWEEP_BUDGET_S = 120
SHARING = 1, 2, 4, 8
LEAST_OVER_TUTORIAL, LEAST_OVER_EAGER = 10.0, 3.0
"""The targets for one training of the tutorial's MLP from a CUDA graph."""

GRAPHS: tuple[CudaGraphs, CudaGraphs] = "off", "auto"


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Args:
        device: ``cuda`` or ``cpu``.
        seconds: The seconds of each measurement of a loop.
        rounds: The measurements of each loop.
        sharing: The numbers of trainings that share the device.
        sizes: The heights and widths of the images of convolutional networks, beside digits.
        trials: The trials of the sweep.
        steps: The steps of each trial.
    """

    device: str
    seconds: float = 1.5
    rounds: int = 2
    sharing: tuple[int, ...] = SHARING
    sizes: tuple[int, ...] = (32, 64)
    trials: int = 16
    steps: int = 1200

    @classmethod
    def quick(cls, device: str) -> "Plan":
        """Return a plan that only checks that everything runs."""
        return cls(device, seconds=0.2, rounds=1, sharing=(1, 2), sizes=(32,), trials=2, steps=10)

    @property
    def precisions(self) -> list[Precision]:
        """The precisions to compare: float32, and bfloat16 where the device multiplies it in hardware."""
        return ["fp32", "bf16"] if has_fast_bf16(torch.device(self.device)) else ["fp32"]

    @property
    def sweeps_gpu(self) -> float:
        """The share of a GPU that each trial of the sweep has."""
        return 0.25 if self.device == "cuda" else 0

    def measured(self, *works: Workload) -> list[list[Speed]]:
        """Return the speeds of loops that run at the same time, in each round."""
        return speeds(works, self.seconds, self.rounds)


def single(plan: Plan) -> Iterator[Figure]:
    """Measure one training at a time, with and without a CUDA graph, beside the tutorial's loop."""
    for architecture in ("mlp", "dcgan"):
        name = f"{architecture}, {DIGITS} px"
        tutorial = _alone(plan, Workload(architecture, DIGITS, TUTORIAL, plan.device))
        yield _images_per_s(f"{name}, the tutorial's loop", tutorial)
        for precision in plan.precisions:
            eager, captured = (
                Workload(architecture, DIGITS, precision, plan.device, graphs=each) for each in GRAPHS
            )
            without = _alone(plan, eager)
            yield from _own_figures(plan, eager, f"{name}, {precision}", without)
            yield _ratio(f"{name}, {precision}: over the tutorial's loop", without, tutorial)
            replayed, is_target = _alone(plan, captured), architecture == "mlp" and plan.device == "cuda"
            yield from _own_figures(plan, captured, f"{name}, {precision}, graph", replayed)
            asked = LEAST_OVER_TUTORIAL if is_target else None
            yield _ratio(f"{name}, {precision}, graph: over the tutorial's loop", replayed, tutorial, asked)
            asked = LEAST_OVER_EAGER if is_target else None
            yield _ratio(f"{name}, {precision}, graph: over the loop without it", replayed, without, asked)


def larger(plan: Plan) -> Iterator[Figure]:
    """Measure convolutional networks on larger images."""
    for architecture in architectures.names():
        for size in plan.sizes if architecture != "mlp" else ():
            precision = plan.precisions[-1]
            for graphs in GRAPHS:
                work = Workload(architecture, size, precision, plan.device, graphs=graphs)
                yield from _own_figures(plan, work, _name(work), _alone(plan, work))


def _alone(plan: Plan, work: Workload) -> list[Speed]:
    """Return the speed of a loop that has the device to itself, in each round."""
    return [of_round[0] for of_round in plan.measured(work)]


def _name(work: Workload) -> str:
    graph = ", graph" if work.graphs == "auto" else ""
    return f"{work.architecture}, {work.size} px, {work.loop}{graph}"


def _ratio(name: str, ours: list[Speed], others: list[Speed], asked: float | None = None) -> Figure:
    ratios = [one.images_per_s / other.images_per_s for one, other in zip(ours, others, strict=True)]
    return Figure.of(name, ratios, asked, is_at_most=False)


def _own_figures(plan: Plan, work: Workload, name: str, rounds: list[Speed]) -> Iterator[Figure]:
    yield _images_per_s(name, rounds)
    yield Figure.of(f"{name}: host time of a step, ms", [speed.host_ms for speed in rounds])
    if plan.device == "cuda":
        config = TrialConfig(architecture=work.architecture, batch_size=BATCH_SIZE, cuda_graphs=work.graphs)
        peak = median(speed.peak_bytes for speed in rounds)
        yield Figure(f"{name}: estimated over measured memory", training_bytes(config, work.shape) / peak)


def _images_per_s(name: str, rounds: list[Speed]) -> Figure:
    return Figure.of(f"{name}: images/s", [speed.images_per_s for speed in rounds])


def shared(plan: Plan) -> Iterator[Figure]:
    """Measure several trainings at a time on one device: all of them together."""
    kinds = [("mlp", DIGITS), *(("dcgan", size) for size in plan.sizes[-1:])]
    precision = plan.precisions[-1]
    for architecture, size in kinds:
        for n, graphs in product(plan.sharing, GRAPHS):
            work = Workload(architecture, size, precision, plan.device, share=1 / n, graphs=graphs)
            sums = [sum(speed.images_per_s for speed in of_round) for of_round in plan.measured(*[work] * n)]
            yield Figure.of(f"{_name(work)}, {n} at a time: images/s together", sums)


def sweep(plan: Plan) -> Iterator[Figure]:
    """Run a sweep of real trials from end to end, without its confirmation."""
    overrides = {
        "method": "random",
        "early_terminate": {"type": "none"},
        "confirm": None,
        "trials": plan.trials,
        "parameters.steps": {"value": plan.steps},
        "parameters.report_every": {"value": max(1, plan.steps // 4)},
        "resources": {"cpu": 1, "gpu": plan.sweeps_gpu},
        "time_budget": SWEEP_BUDGET_S,
    }
    with TemporaryDirectory() as results:
        started = monotonic()
        done = sweeps.run(SPEC, overrides=overrides, results=results, quiet=True)
        elapsed_s = monotonic() - started
    what = f"{plan.trials} trials of {plan.steps} steps, {plan.sweeps_gpu:g} GPU each"
    n_completed = float((done.trials["status"] == "completed").sum())
    yield Figure(f"{what}: seconds in all", elapsed_s)
    yield Figure(f"{what}: completed trials", n_completed, asked=float(plan.trials), is_at_most=False)


PARTS: dict[str, Callable[[Plan], Iterator[Figure]]] = {
    "One training at a time": single,
    "A small sweep": sweep,
    "Trainings that share the device": shared,
    "Larger images": larger,
}
"""The parts, the most important first: the time may be up before the last."""


def measure(plan: Plan) -> Iterator[dict[str, list[Figure]]]:
    """Measure the parts in order, and yield all figures so far after each figure.

    A part that fails, for example for lack of memory, is reported on stderr and left as it is.
    """
    console, started = Console(stderr=True), monotonic()
    found: dict[str, list[Figure]] = {}
    for part, figures in PARTS.items():
        found[part] = []
        try:
            for figure in figures(plan):
                found[part].append(figure)
                console.print(f"{duration(monotonic() - started)}  {figure.name}: {figure.measured:.3g}")
                yield found
                if monotonic() - started > LAST_START_S:
                    console.print("The time is up: the rest is not measured")
                    return
        except (RuntimeError, sweeps.SweepError) as error:
            console.print(f"{part}: {error}", markup=False)


def described(device: str) -> dict[str, str]:
    """Return the card, if there is one, and the environment."""
    if device != "cuda":
        return environment()
    card = torch.cuda.get_device_properties(0)
    names = {
        "card": card.name,
        "compute capability": f"{card.major}.{card.minor}",
        "memory": f"{card.total_memory / 1e9:.1f} GB",
        "CUDA": str(torch.version.cuda),
    }
    return names | environment(torch.cuda.device_count())


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="the device (cuda)")
    parser.add_argument(
        "--quick", action="store_true", help="only check that it runs; the figures mean nothing"
    )
    parser.add_argument(
        "--output", type=Path, help=f"the page ({OUTPUT.name}; without a GPU or --quick, none)"
    )
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA GPU: type --device cpu --quick to run the same code without one")
    plan = Plan.quick(asked.device) if asked.quick else Plan(asked.device)
    output = asked.output or (OUTPUT if asked.device == "cuda" and not asked.quick else None)
    command = " ".join(["python -m benchmarks.gpu", *sys.argv[1:]])
    conclude_page(measure(plan), lambda _figures: command, described(asked.device), output)


if __name__ == "__main__":
    main()
