"""Show the space of a sweep, example configurations and the cost, without starting anything."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from math import ceil
from random import Random
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from gan_core.config import TrialConfig
from gan_core.imports import is_import_path
from gan_core.loop_config import LoopConfig
from sweeps.driver.cost import cost_of
from sweeps.driver.disk import bytes_needed, bytes_of_running, image_shape
from sweeps.driver.images import Images, images_of
from sweeps.driver.memory import memory_line
from sweeps.spec.domains import Domain, Scalar
from sweeps.spec.methods import method_in_words
from sweeps.spec.model import SweepSpec
from sweeps.spec.space import RandomTrial
from sweeps.words import bar, duration, megabytes

TABLE_WIDTH = 240
EXAMPLES = 10
SHORT_S, START_S = 60.0, 10.0
"""A sweep of less than a minute spends much of its time on its start and its end: on 2 cores, 10 s."""


def print_preview(spec: SweepSpec, console: Console, *, timed: bool = True) -> None:
    """Print the space as a tree, ten random configurations, the size of the space, and the cost of the sweep.

    The images of a folder are decoded into the cache, where a run finds them.

    Args:
        spec: The sweep.
        console: Prints it.
        timed: Whether to time and measure a few real training steps, which imports torch.

    Raises:
        DatasetError: The images of a folder cannot be trained on.
        ExtractorUnavailableError: The sweep's extractor needs classes, and there are none.
        SweepError: The largest trial needs more memory than there is, or the sampler fails.
    """
    check_sampler(spec)
    images = _images(spec, console)
    console.print(_tree(spec))
    if len(spec.first_points()) > 1:
        console.print(_table("Tried first", spec, spec.first_points()))
    console.print(_table("Drawn at random", spec, sample_configurations(spec, EXAMPLES)))
    for line in (
        *_examples_note(spec),
        *_size(spec),
        *_further_seeds(spec),
        *_confirmation(spec),
        *(images.lines() if images else ()),
    ):
        console.print(line, markup=False)
    if timed:
        with console.status("Measuring a few training steps"):
            lines = [*_memory(spec), *_time(spec)]
        for line in lines:
            console.print(line, markup=False)
    in_cache = f", and {megabytes(images.cache_bytes)} in the cache" if images else ""
    kept, running = disk_bytes(spec), bytes_of_running(spec.max_trials, _slots(spec))
    console.print(
        f"disk      about {megabytes(kept - running)} in results{in_cache}, and up to"
        f" {megabytes(running)} more while trials run"
    )


def check_sampler(spec: SweepSpec) -> None:
    """Try the sampler on made-up scores, if the user wrote it or chose its options.

    Raises:
        SweepError: The sampler cannot be made, raises, or suggests a value outside of the search space.
    """
    if is_import_path(spec.method) or spec.method_options:
        from sweeps.search.rehearsal import rehearse

        rehearse(spec)


def _images(spec: SweepSpec, console: Console) -> Images | None:
    """Return the images of a folder, and show a progress bar while they are decoded."""
    with console.status(f"Reading {escape(spec.dataset)}") as status:
        return images_of(
            spec,
            lambda done, n: status.update(f"Decoding images, {done:,} of {n:,} {bar(done, n)}"),
        )


def _tree(spec: SweepSpec) -> Tree:
    """Return the parameters as a tree: a parameter with a condition is a branch of those it depends on."""
    root = Tree(f"[bold]{spec.name}[/bold]: {escape(_title(spec))}")
    branches: dict[str, Tree] = {}
    waiting = dict(spec.domains)
    while waiting:
        name = next(name for name, domain in waiting.items() if not domain.when.keys() & waiting.keys())
        domain = waiting.pop(name)
        parents = [branches[other] for other in domain.when if other in branches]
        branches[name] = (parents[-1] if parents else root).add(_leaf(name, domain))
    return root


def _title(spec: SweepSpec) -> str:
    metrics = " and ".join(f"{metric.name} ({metric.goal})" for metric in spec.metric)
    method = method_in_words(spec.method, spec.method_options)
    bounds = f", with {' and '.join(spec.constraints)}" if spec.constraints else ""
    return f"{spec.trials} trials on {spec.dataset} by {method}, for {metrics}{bounds}"


def _leaf(name: str, domain: Domain) -> str:
    condition = ", ".join(
        f"{other} is {' or '.join(map(str, values))}" for other, values in domain.when.items()
    )
    where = f"  [dim]where {escape(condition)}[/dim]" if condition else ""
    return f"{name}: {escape(domain.summary())}{where}"


def _table(title: str, spec: SweepSpec, points: list[dict[str, Scalar]]) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in spec.searched:
        table.add_column(name, justify="right")
    for params in points:
        table.add_row(*(_cell(params.get(name)) for name in spec.searched))
    return table


def _examples_note(spec: SweepSpec) -> Iterator[str]:
    """Yield that a user's own sampler draws other configurations than the examples."""
    if is_import_path(spec.method):
        yield f"examples  drawn at random: {spec.method} may suggest others"


def _cell(value: Scalar | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def sample_configurations(spec: SweepSpec, n: int) -> list[dict[str, Scalar]]:
    """Return ``n`` configurations of a random search."""
    trial: Any = RandomTrial(Random(spec.seed))  # noqa: S311 - no secret
    return [spec.space.suggest(trial) for _ in range(n)]


def _size(spec: SweepSpec) -> Iterator[str]:
    size = spec.space.size()
    if size is None:
        yield "distinct  infinitely many configurations"
        return
    outside = not spec.space.contains(spec.baseline)
    n_tried = spec.max_configurations - outside
    enough = "each will be trained once" if n_tried == size else f"{n_tried} of them will be trained"
    beside = ", and the defaults, which lie outside of the space" if outside else ""
    yield f"distinct  {size:,} configurations: {enough}{beside}"


def _further_seeds(spec: SweepSpec) -> Iterator[str]:
    """Yield how many trials train leading configurations on further seeds."""
    n_seeds, n_further = spec.early_terminate.seeds, spec.max_trials - spec.max_configurations
    if n_seeds > 1:
        most = f"at most {n_seeds} seeds each"
        yield f"seeds     {n_further} of {spec.max_trials} trials train leading configurations again, {most}"


@dataclass(frozen=True)
class Confirmation:
    """The size of a confirmation.

    Args:
        configurations: The number of configurations, the defaults included.
        seeds: The number of seeds of each configuration.
        trainings: The number of trainings in all.
        steps: The number of steps in all, at the baseline's steps a training.
        most_seeds: The most seeds of each configuration, until resolved; else ``seeds``.
        most_trainings: The most trainings in all.
        most_steps: The most steps in all.
    """

    configurations: int
    seeds: int
    trainings: int
    steps: int
    most_seeds: int
    most_trainings: int
    most_steps: int

    @classmethod
    def from_spec(cls, spec: SweepSpec) -> "Confirmation | None":
        """Return the size of a spec's confirmation; None without one."""
        if spec.confirm is None:
            return None
        n, steps = (
            min(spec.confirm.top + 1, spec.max_configurations),
            spec.trial_config(spec.baseline, 0).steps,
        )
        least, most = spec.confirm.looks[0], spec.confirm.looks[-1]
        return cls(n, least, n * least, n * least * steps, most, n * most, n * most * steps)


def _confirmation(spec: SweepSpec) -> Iterator[str]:
    counted = Confirmation.from_spec(spec)
    if counted is None:
        return
    trainings, steps = f"{counted.trainings:,} trainings", f"{counted.steps:,} steps"
    if counted.most_seeds > counted.seeds:
        trainings += f", up to {counted.most_trainings:,}"
        steps += f", up to {counted.most_steps:,}"
    seeds = f"{counted.configurations} configurations on {counted.seeds} fresh seeds"
    yield f"confirm   {seeds}, {trainings}: {steps}"


def _time(spec: SweepSpec) -> Iterator[str]:
    """Yield the number of trials at a time and, if the image shape is known, the estimated time."""
    device, slots, where = _trials_at_a_time(spec)
    yield f"at a time {slots} trials on {where}"
    shape = image_shape(spec)
    if shape is None:
        yield f"time      not estimated: {spec.dataset} would have to be loaded first"
        return
    config = spec.trial_config(spec.baseline, 0)
    cost = cost_of(spec, config, shape, device)
    full = cost.whole(config)
    in_all = ceil(spec.max_trials / slots) * full
    estimate = f"about {duration(in_all)} in all"
    steps, eta = _steps_with_stops(spec, config), spec.early_terminate.eta
    if spec.early_terminate.type in {"asha", "hyperband"} and steps < config.steps:
        n_further = spec.max_trials - spec.max_configurations
        full_ones = (1 + n_further) * full
        others = (spec.max_configurations - 1) * cost.seconds(config, steps)
        with_stops = max(full, (full_ones + others) / slots)
        if duration(with_stops) != duration(in_all):
            estimate += f", {duration(with_stops)} if one in {eta} continues at each rung"
    confirmation = Confirmation.from_spec(spec)
    if confirmation is not None:
        seconds = [ceil(n / slots) * full for n in (confirmation.trainings, confirmation.most_trainings)]
        up_to = f" up to {duration(seconds[1])}" if seconds[1] > seconds[0] else ""
        estimate += f", and {duration(seconds[0])}{up_to} more for the confirmation"
    if spec.time_budget is not None:
        estimate += f"; the time budget ends it after {duration(spec.time_budget)}"
    start = f", beside about {START_S:.0f} s to start and to end" if in_all < SHORT_S else ""
    yield f"time      {estimate}{start}: {1 / cost.speed.step_s:.1f} steps/s now"


def _memory(spec: SweepSpec) -> Iterator[str]:
    """Yield the estimated memory of a trial, for gan_core's own training and a known image shape."""
    shape = image_shape(spec)
    if shape is not None and isinstance(spec.trial_config(spec.baseline, 0), TrialConfig):
        yield f"memory    {memory_line(spec, shape)}"


def _steps_with_stops(spec: SweepSpec, config: LoopConfig) -> float:
    """Return the mean number of steps of a trial if one in eta continues at each rung of ASHA."""
    rung = spec.early_terminate.first_rung * config.report_every
    expected, reached, share = 0.0, 0, 1.0
    while reached < config.steps:
        until = min(rung, config.steps)
        expected += share * (until - reached)
        reached, share, rung = until, share / spec.early_terminate.eta, rung * spec.early_terminate.eta
    return expected


def _trials_at_a_time(spec: SweepSpec) -> tuple[str, int, str]:
    """Return the device of a trial on this machine, the number of trials at a time, and what they run on."""
    import torch

    slots, cores, gpu = _slots(spec), os.cpu_count(), spec.resources.gpu
    n_gpus = torch.cuda.device_count() if gpu != 0 and torch.cuda.is_available() else 0
    if n_gpus == 0:
        return "cpu", slots, f"the {cores} cores of this machine"
    share = 1.0 if gpu == "auto" else gpu
    on_gpus = n_gpus * int(1 / share) if share < 1 else int(n_gpus // share)
    gpus = "GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return "cuda", max(1, min(slots, on_gpus)), f"the {gpus} and {cores} cores of this machine"


def disk_bytes(spec: SweepSpec, n_ended: int = 0) -> float:
    """Estimate how much a sweep and its confirmation write, in bytes, without the trials that have ended."""
    confirmation = Confirmation.from_spec(spec)
    trainings = spec.max_trials + (confirmation.most_trainings if confirmation else 0)
    return bytes_needed(spec, max(0, trainings - n_ended), _slots(spec))


def _slots(spec: SweepSpec) -> int:
    """Return the number of trials at a time on the cores of this machine."""
    return max(1, (os.cpu_count() or 1) // spec.resources.cpu)


def as_json(spec: SweepSpec) -> Mapping[str, Any]:
    """Return the preview as JSON values, without times.

    Raises:
        SweepError: The sampler fails.
    """
    check_sampler(spec)
    confirmation, images = Confirmation.from_spec(spec), images_of(spec)
    return {
        "name": spec.name,
        "images": images and asdict(images),
        "searched": {name: domain.model_dump(mode="json") for name, domain in spec.searched.items()},
        "first": spec.first_points(),
        "examples": sample_configurations(spec, EXAMPLES),
        "distinct": spec.space.size(),
        "trials": spec.trials,
        "further_seeds": spec.max_trials - spec.max_configurations,
        "method": spec.method,
        "method_options": spec.method_options,
        "constraints": spec.constraints,
        "confirmation": confirmation and asdict(confirmation),
        "disk_bytes": disk_bytes(spec),
    }
