"""Estimate the memory of a sweep's trials, and refuse a sweep of trials that cannot fit."""

import os
from dataclasses import dataclass
from itertools import islice, product

from gan_core.config import TrialConfig
from sweeps.errors import SweepError
from sweeps.spec.domains import Domain, Scalar
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import Resources
from sweeps.words import megabytes

MEASURED = "architecture", "penalty"
"""The components on which memory depends; all losses need about the same."""

SIZES = "batch_size", "d_steps", "noise_dim"
MAX_COMBINATIONS = 12
"""The most combinations of components that are measured, each in about a second."""


@dataclass(frozen=True)
class Room:
    """The memory that a trial can use.

    Args:
        n_bytes: Its size.
        where: Its name, for messages.
        remedy: What gives a trial more of it, for messages.
    """

    n_bytes: float
    where: str
    remedy: str


def room(resources: Resources) -> Room:
    """Return the memory of a trial: its share of the first GPU that torch sees, or this machine's memory."""
    import torch

    from gan_core.memory import CUDA_CONTEXT_BYTES

    if resources.gpu == 0 or not torch.cuda.is_available():
        n_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Room(n_bytes, "this machine", "use a machine with more memory")
    card, share = torch.cuda.get_device_properties(0), 1.0
    if resources.gpu != "auto":
        share = min(1.0, resources.gpu)
    whose = f"{card.name}" if share == 1 else f"its share of {card.name}"
    return Room(share * card.total_memory - CUDA_CONTEXT_BYTES, whose, "raise resources.gpu")


def memory_line(spec: SweepSpec, image_shape: tuple[int, int, int]) -> str:
    """Return the memory that a trial needs, for the user.

    Each architecture is measured with each penalty and the largest values of all other parameters. Beside its
    networks, a trial needs memory for the dataset, the extractor and PyTorch itself.

    Raises:
        SweepError: The largest trial needs more memory than there is.
    """
    from gan_core.footprint import training_bytes

    needed = [(training_bytes(config, image_shape), config) for config in largest_configs(spec)]
    (least, _), (most, config) = (choose(needed, key=lambda each: each[0]) for choose in (min, max))
    available = room(spec.resources)
    if most > available.n_bytes:
        raise SweepError(
            f"a trial with {_named(spec, config)} needs about {megabytes(most)} of memory, and"
            f" {available.where} has {megabytes(available.n_bytes)}: search smaller values, or"
            f" {available.remedy}"
        )
    span = " to ".join(dict.fromkeys(map(megabytes, (least, most))))
    return f"about {span} for the networks of a trial, of {megabytes(available.n_bytes)} on {available.where}"


def largest_configs(spec: SweepSpec) -> list[TrialConfig]:
    """Return a configuration for each architecture and penalty, with the largest values of all others."""
    largest = {name: _largest(domain) for name, domain in spec.searched.items()}
    combinations = product(*(spec.values_of(name) for name in MEASURED))
    points = (largest | dict(zip(MEASURED, values, strict=True)) for values in combinations)
    configs = (spec.trial_config(spec.with_defaults(point), 0) for point in islice(points, MAX_COMBINATIONS))
    return [config for config in configs if isinstance(config, TrialConfig)]


def _largest(domain: Domain) -> Scalar:
    """Return the largest value of a domain; of texts, the last."""
    values = [value for _, value in domain.boundary_values()]
    numbers = [value for value in values if not isinstance(value, str)]
    return max(numbers) if len(numbers) == len(values) else values[-1]


def _named(spec: SweepSpec, config: TrialConfig) -> str:
    """Return the searched parameters of a configuration that decide how much memory it needs, as text."""
    names = [name for name in (*MEASURED, *SIZES) if name in spec.searched] or ["batch_size"]
    values = config.model_dump()
    return ", ".join(f"{name} {values[name]}" for name in names)
