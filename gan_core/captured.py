"""Take the steps of a training as replays of one captured step."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from traceback import walk_tb

import torch
from torch import Tensor, nn

from gan_core.component_config import registries
from gan_core.config import TrialConfig
from gan_core.errors import in_one_line
from gan_core.graphs import Graph
from gan_core.randomness import host_random_state

WARM_UP_STEPS = 3
"""The steps before the capture: libraries choose kernels, and optimizers create their state."""

Update = Callable[[Tensor, Tensor, "float | Tensor"], dict[str, Tensor]]
"""One step as a function of real images, noise and the weight of the moving average; returns the metrics.

It reads nothing else that changes from step to step, changes tensors in place, and does not wait for the
device."""


class CapturedSteps:
    """Takes a few steps as warm-up, captures one, and replays it from then on.

    Every step is a step of the training, those of the warm-up included. Before each step, its inputs are
    copied into buffers that stay the same. The last step of the warm-up shows whether a replay would repeat
    the work of the function. If it would not, or if the capture fails, all later steps call the function.

    Args:
        config: The hyperparameters, which name the components.
        networks: The networks that a step changes, by name.
        graph: The graph to capture the step in.

    Attributes:
        fallback: Why steps are not replayed, as a message for the user; None if they are.
    """

    def __init__(self, config: TrialConfig, networks: Mapping[str, nn.Module], graph: Graph) -> None:
        self._config = config
        self._networks = networks
        self._graph = graph
        self._buffers: _Buffers | None = None
        self._steps_taken = 0
        self.fallback: str | None = None

    def step(self, update: Update, real: Tensor, noise: Tensor, weight: float) -> dict[str, Tensor]:
        """Take a step; the next step may overwrite the returned metrics, as their tensors stay the same.

        Args:
            update: The step, the same function every time.
            real: Its real images. If their shape differs from that of the first step, the graph does not fit,
                and the function is called.
            noise: Its noise.
            weight: Its weight of the moving average.
        """
        if self._buffers is None:
            self._buffers = _Buffers.like(real, noise)
        if self.fallback or real.shape != self._buffers.real.shape:
            return update(real, noise, weight)
        self._buffers.fill(real, noise, weight)
        run = partial(self._buffers.run, update)
        if self._steps_taken < WARM_UP_STEPS:
            self._warm_up(run)
        elif self._steps_taken > WARM_UP_STEPS or self._capture(run):
            self._graph.replay()
        else:
            return update(real, noise, weight)
        self._steps_taken += 1
        return self._buffers.named_metrics()

    def _warm_up(self, run: Callable[[], None]) -> None:
        """Take a step of the warm-up; after the last one, set :attr:`fallback` if a replay would differ."""
        device = next(self._tensors())[1].device
        before, numbers = dict(self._tensors()), host_random_state(device)
        waits = self._graph.rehearse(run)
        replaced = [name for name, each in self._tensors() if each is not before.get(name)]
        if self._steps_taken + 1 < WARM_UP_STEPS:
            return
        if waits:
            self._fall_back(f"{waits[0]}, waits for the GPU, for example to read the value of a tensor")
        elif replaced:
            self._fall_back(
                f"{self._named('architecture')} replaces the tensor {replaced[0]} in a step: change the"
                " tensor in place, for example with copy_"
            )
        elif host_random_state(device) != numbers:
            self._fall_back(
                "a component draws random numbers on the CPU: draw them with torch on the device of its"
                " inputs"
            )

    def _capture(self, run: Callable[[], None]) -> bool:
        """Capture the step, and return whether that succeeded."""
        try:
            self._graph.capture(run)
        except Exception as error:  # noqa: BLE001 - whatever a component or CUDA raises, steps need no graph
            first = _first(error)
            self._fall_back(f"{self._raised(first)} raised {in_one_line(first)}")
            return False
        return True

    def _fall_back(self, reason: str) -> None:
        self.fallback = f"cuda_graphs: {reason}. Training continues without a CUDA graph"

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the parameters and buffers of the networks, which a replay changes where they are."""
        for name, network in self._networks.items():
            yield from network.named_parameters(name)
            yield from network.named_buffers(name)

    def _raised(self, error: BaseException) -> str:
        """Return the components with a module that raised the exception, or else all."""
        modules = {frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)}
        kinds = [*registries(TrialConfig)]
        raised = [kind for kind in kinds if self._module(kind) in modules]
        return ", ".join(self._named(kind) for kind in raised or kinds)

    def _module(self, kind: str) -> str:
        component = self._config.component(kind)
        module: str = getattr(component, "__module__", "")
        return module

    def _named(self, kind: str) -> str:
        return f"{kind} {getattr(self._config, kind)!r}"


@dataclass
class _Buffers:
    """The inputs and results of a captured step, in tensors that stay the same.

    Args:
        real: The real images.
        noise: The noise.
        weight: The weight of the moving average, shape ``()``.
        metrics: The metrics of the last step; None before the first one.
        names: The names of the metrics.
    """

    real: Tensor
    noise: Tensor
    weight: Tensor
    metrics: Tensor | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def like(cls, real: Tensor, noise: Tensor) -> "_Buffers":
        """Return buffers for inputs of these shapes."""
        weight = torch.zeros((), dtype=torch.float64, device=real.device)
        return cls(torch.empty_like(real), torch.empty_like(noise), weight)

    def fill(self, real: Tensor, noise: Tensor, weight: float) -> None:
        """Copy the inputs of a step into the buffers."""
        self.real.copy_(real)
        self.noise.copy_(noise)
        self.weight.fill_(weight)

    def run(self, update: Update) -> None:
        """Call a step with the buffers."""
        metrics = update(self.real, self.noise, self.weight)
        values = torch.stack([*metrics.values()])
        if self.metrics is None:
            self.metrics, self.names = torch.empty_like(values), tuple(metrics)
        self.metrics.copy_(values)

    def named_metrics(self) -> dict[str, Tensor]:
        """Return the metrics of the last step by name, as parts of one tensor."""
        if self.metrics is None:
            raise ValueError("no step has been taken yet")
        return dict(zip(self.names, self.metrics.unbind(), strict=True))


def _first(error: BaseException) -> BaseException:
    """Return the exception that an exception began with."""
    while error.__context__ is not None:
        error = error.__context__
    return error
