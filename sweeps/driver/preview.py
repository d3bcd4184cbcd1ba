"""What a sweep would be: its space, examples of it, and what it would cost; nothing is started or written."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from random import Random
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from gan_core.config import TrialConfig
from sweeps.driver.disk import bytes_needed, image_shape
from sweeps.spec.domains import Domain, Scalar
from sweeps.spec.model import SweepSpec
from sweeps.spec.space import RandomTrial
from sweeps.words import duration, megabytes

TABLE_WIDTH = 240
EXAMPLES = 10
WARM_STEPS, TIMED_SECONDS = 2, 2.0
EVALUATION_OVER_GENERATION = 3
"""How much longer it takes to make and score a report's samples than to make them, measured on digits."""


def print_preview(spec: SweepSpec, console: Console, *, timed: bool = True) -> None:
    """Print the space as a tree, ten configurations drawn from it, how many there are, and what it costs.

    Args:
        spec: The sweep.
        console: Where to print.
        timed: Whether to time a handful of real steps, for which torch is imported.
    """
    console.print(_tree(spec))
    console.print(_examples(spec))
    for line in (*_size(spec), *_confirmation(spec)):
        console.print(line, markup=False)
    if timed:
        with console.status("Timing a handful of steps"):
            lines = [*_time(spec)]
        for line in lines:
            console.print(line, markup=False)
    console.print(f"disk      about {megabytes(disk_bytes(spec))} in results")


def _tree(spec: SweepSpec) -> Tree:
    """Draw the parameters; one with a condition hangs from those that it depends on."""
    root = Tree(f"[bold]{spec.name}[/bold]: {escape(_in_words(spec))}")
    branches: dict[str, Tree] = {}
    waiting = dict(spec.parameters)
    while waiting:
        name = next(name for name, domain in waiting.items() if not domain.when.keys() & waiting.keys())
        domain = waiting.pop(name)
        parents = [branches[other] for other in domain.when if other in branches]
        branches[name] = (parents[-1] if parents else root).add(_leaf(name, domain))
    return root


def _in_words(spec: SweepSpec) -> str:
    metrics = " and ".join(f"{metric.name} ({metric.goal})" for metric in spec.metric)
    return f"{spec.trials} trials on {spec.dataset} by {spec.method}, for {metrics}"


def _leaf(name: str, domain: Domain) -> str:
    condition = ", ".join(
        f"{other} is {' or '.join(map(str, values))}" for other, values in domain.when.items()
    )
    where = f"  [dim]where {escape(condition)}[/dim]" if condition else ""
    return f"{name}: {escape(domain.summary())}{where}"


def _examples(spec: SweepSpec) -> Table:
    table = Table(title="Drawn at random", title_justify="left", box=None, pad_edge=False)
    for name in spec.searched:
        table.add_column(name, justify="right")
    for params in drawn(spec, EXAMPLES):
        table.add_row(*(_cell(params.get(name)) for name in spec.searched))
    return table


def _cell(value: Scalar | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def drawn(spec: SweepSpec, n: int) -> list[dict[str, Scalar]]:
    """Return ``n`` configurations as a random search would choose them."""
    trial: Any = RandomTrial(Random(spec.seed))  # noqa: S311 - no secret
    return [spec.space.suggest(trial) for _ in range(n)]


def _size(spec: SweepSpec) -> Iterator[str]:
    size = spec.space.size()
    if size is None:
        yield "distinct  no end of configurations"
        return
    outside = not spec.space.contains(spec.baseline)
    n_tried = spec.max_trials - outside
    enough = "each will be tried once" if n_tried == size else f"{n_tried} of them will be tried"
    beside = ", and the defaults, which are none of them" if outside else ""
    yield f"distinct  {size:,} configurations: {enough}{beside}"


@dataclass(frozen=True)
class Confirmation:
    """What a confirmation trains once the search is done.

    Args:
        configurations: The best, and the defaults.
        seeds: Of each.
        trainings: Of all of them together.
        steps: Of all trainings together, at the baseline.
        most_seeds: Of each, where it goes on until resolved; as many as ``seeds`` where it does not.
        most_trainings: With those.
        most_steps: With those.
    """

    configurations: int
    seeds: int
    trainings: int
    steps: int
    most_seeds: int
    most_trainings: int
    most_steps: int

    @classmethod
    def of(cls, spec: SweepSpec) -> "Confirmation | None":
        """Count a spec's confirmation, None where it asks for none."""
        if spec.confirm is None:
            return None
        most_trials = spec.max_trials
        n, steps = min(spec.confirm.top + 1, most_trials), spec.trial_config(spec.baseline, 0).steps
        least, most = spec.confirm.looks[0], spec.confirm.looks[-1]
        return cls(n, least, n * least, n * least * steps, most, n * most, n * most * steps)


def _confirmation(spec: SweepSpec) -> Iterator[str]:
    counted = Confirmation.of(spec)
    if counted is None:
        return
    trainings, steps = f"{counted.trainings:,} trainings", f"{counted.steps:,} steps"
    if counted.most_seeds > counted.seeds:
        trainings += f", up to {counted.most_trainings:,}"
        steps += f", up to {counted.most_steps:,}"
    seeds = f"{counted.configurations} configurations on {counted.seeds} fresh seeds"
    yield f"confirm   {seeds}, {trainings}: {steps}"


@dataclass(frozen=True)
class Cost:
    """What a trial takes at the baseline.

    Args:
        step_s: Seconds a step.
        report_s: Seconds to score a report's samples, about.
        final_s: Seconds to score the last weights', about.
    """

    step_s: float
    report_s: float
    final_s: float

    def of(self, config: TrialConfig, steps: float) -> float:
        """Return the seconds that ``steps`` steps take, with their reports."""
        return steps * (self.step_s + self.report_s / config.report_every)


def _time(spec: SweepSpec) -> Iterator[str]:
    """Yield how many trials run at a time and, where images can be had without loading any, for how long."""
    slots = _slots(spec)
    yield f"at a time {slots} trials on the {os.cpu_count()} cores of this machine"
    shape = image_shape(spec)
    if shape is None:
        yield f"time      not estimated: {spec.dataset} would have to be loaded"
        return
    config = spec.trial_config(spec.baseline, 0)
    cost = _timed(config, shape, spec.resources.cpu)
    full = cost.of(config, config.steps) + cost.final_s
    longest = spec.trials * full / slots
    told = f"about {duration(longest)} in all"
    if spec.early_terminate.type in {"asha", "hyperband"}:
        others = (spec.trials - 1) * cost.of(config, _steps_with_stops(spec, config))
        told += f", {duration((full + others) / slots)} where one in {spec.early_terminate.eta} goes on"
    confirmation = Confirmation.of(spec)
    if confirmation is not None:
        seconds = [ceil(n / slots) * full for n in (confirmation.trainings, confirmation.most_trainings)]
        up_to = f" up to {duration(seconds[1])}" if seconds[1] > seconds[0] else ""
        told += f", and {duration(seconds[0])}{up_to} more for the confirmation"
    if spec.time_budget is not None:
        told += f"; it ends after {duration(spec.time_budget)}"
    yield f"time      {told}: {1 / cost.step_s:.1f} steps/s now"


def _steps_with_stops(spec: SweepSpec, config: TrialConfig) -> float:
    """Return the steps of a trial on average where one in eta goes on at each rung of ASHA's."""
    rung = spec.early_terminate.first_rung * config.report_every
    expected, reached, share = 0.0, 0, 1.0
    while reached < config.steps:
        until = min(rung, config.steps)
        expected += share * (until - reached)
        reached, share, rung = until, share / spec.early_terminate.eta, rung * spec.early_terminate.eta
    return expected


def _timed(config: TrialConfig, shape: tuple[int, int, int], threads: int) -> Cost:
    """Time real steps, of random images: what they show makes no difference."""
    import torch

    from gan_core import Trainer
    from gan_core.noise import draw_noise, stream

    torch.set_num_threads(threads)
    trainer, rng = Trainer(config, shape), stream("preview")
    n = config.batch_size * config.d_steps
    real = torch.rand(n, *shape, generator=rng) * 2 - 1

    def step() -> None:
        trainer.step(real, draw_noise(config, n, rng))

    for _ in range(WARM_STEPS):
        step()
    steps, started = 0, perf_counter()
    while perf_counter() - started < TIMED_SECONDS:
        step()
        steps += 1
    step_s = (perf_counter() - started) / steps
    started = perf_counter()
    trainer.generate(draw_noise(config, config.eval_samples, rng))
    report_s = EVALUATION_OVER_GENERATION * (perf_counter() - started)
    return Cost(step_s, report_s, report_s * config.final_samples / config.eval_samples)


def disk_bytes(spec: SweepSpec, n_ended: int = 0) -> float:
    """Return about how much a sweep and its confirmation write, in bytes, but for what has ended."""
    confirmation = Confirmation.of(spec)
    trainings = spec.trials + (confirmation.most_trainings if confirmation else 0)
    return bytes_needed(spec, max(0, trainings - n_ended), _slots(spec))


def _slots(spec: SweepSpec) -> int:
    """Return how many trials run at a time on the cores of this machine."""
    return max(1, (os.cpu_count() or 1) // spec.resources.cpu)


def as_json(spec: SweepSpec) -> Mapping[str, Any]:
    """Return the preview without its timing as JSON values."""
    confirmation = Confirmation.of(spec)
    return {
        "name": spec.name,
        "searched": {name: domain.model_dump(mode="json") for name, domain in spec.searched.items()},
        "examples": drawn(spec, EXAMPLES),
        "distinct": spec.space.size(),
        "trials": spec.trials,
        "confirmation": confirmation and asdict(confirmation),
        "disk_bytes": disk_bytes(spec),
    }
