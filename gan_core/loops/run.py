"""Run a training loop from report to report, and look at it while it waits at its ``yield``."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor

from gan_core.datasets import ImageDataset
from gan_core.errors import LoopError
from gan_core.loop_config import LoopConfig
from gan_core.loops.declaration import Loop, check_is_loop, loop_name, takes_state
from gan_core.loops.environment import LoopEnvironment
from gan_core.loops.plain import unsupported
from gan_core.loops.protocol import checked_snapshot
from gan_core.loops.sampling import Sampler
from gan_core.loops.snapshot import Snapshot
from gan_core.loops.weights import copied_weights, load_weights, misfit_of, not_a_tensor

_ENDED = object()
_IGNORED = "generator ignored GeneratorExit"
"""Python's message if a generator yields while it is closed."""


class LoopRun:
    """One run of a training loop.

    The loop runs inside :meth:`advance` and waits outside of it. Its settings and global random numbers are
    kept apart from the caller's (see :class:`gan_core.loops.environment.LoopEnvironment`).

    Args:
        loop: A generator function that yields snapshots.
        config: The hyperparameters.
        data: The dataset.
        device: The device to train on.
        state: What the state function of an earlier snapshot returned, to resume from; else None.
        step: The step of that snapshot.

    Raises:
        LoopError: ``loop`` is not a generator function, or it cannot take a state.
    """

    def __init__(
        self,
        loop: Loop,
        config: LoopConfig,
        data: ImageDataset,
        device: torch.device,
        state: object = None,
        step: int = 0,
    ) -> None:
        check_is_loop(loop)
        self.name = loop_name(loop)
        self._config = config
        self._resumes = takes_state(loop)
        self._environment = LoopEnvironment(config.seed)
        self._sampler = Sampler(self.name, data, device)
        if state is not None and not self._resumes:
            raise LoopError(f"{self.name} cannot resume: add the parameter 'state=None' to it, and load it")
        arguments = {"state": state} if self._resumes else {}
        self._steps = cast("Generator[Snapshot]", loop(config, data, device, **arguments))
        self._snapshot: Snapshot | None = None
        self._restored_step = step if state is not None else None
        self._yields_generator: bool | None = None
        self.step = step

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot at which the loop waits."""
        if self._snapshot is None:
            raise ValueError("the loop has not yielded yet")
        return self._snapshot

    def advance(self) -> Snapshot:
        """Run the loop to its next ``yield``, and return the snapshot.

        A loop that was given a state may first yield that state's step again, so that its samples can be
        compared with those before the interruption.

        Raises:
            LoopError: The loop breaks the protocol.
            TrainingDiverged: The loop raised it.
        """
        with self._environment.entered():
            yielded = next(self._steps, _ENDED)
        if yielded is _ENDED:
            raise LoopError(
                f"{self.name} ended after step {self.step}, before config.steps, {self._config.steps}: yield"
                " at the last step, too"
            )
        self._snapshot = self._checked(yielded)
        self.step = self._snapshot.step
        self._restored_step = None
        return self._snapshot

    def images(self, n: int, purpose: str) -> Iterator[Tensor]:
        """Yield batches of ``n`` images in all; see :meth:`gan_core.loops.sampling.Sampler.images`."""
        return self._sampler.images(self.snapshot, n, purpose)

    def grid(self) -> Tensor:
        """Return the 64 images of the sample grid, uint8 ``(64, C, H, W)``."""
        return self._sampler.grid(self.snapshot)

    def metrics(self) -> dict[str, float]:
        """Return the loop's own metrics as numbers.

        Raises:
            LoopError: A metric is not a number.
        """
        return {name: self._number(name, value) for name, value in self.snapshot.metrics.items()}

    def weights(self) -> dict[str, Tensor] | None:
        """Return a copy of the weights of the snapshot's generator; None if it has no generator.

        Raises:
            LoopError: A part of the generator's ``state_dict`` is not a tensor.
        """
        generator = self.snapshot.generator
        if generator is None:
            return None
        if odd := not_a_tensor(generator):
            raise LoopError(
                f"{self.name}: {odd!r} in the state_dict of its generator is not a tensor: keep it in a"
                " buffer, because a generator is kept as tensors"
            )
        return copied_weights(generator)

    @contextmanager
    def with_weights(self, weights: Mapping[str, Tensor] | None) -> Iterator[None]:
        """Load weights into the snapshot's generator inside the block, and put its own back after it.

        Raises:
            LoopError: The weights do not fit the generator.
        """
        generator, own = self.snapshot.generator, self.weights()
        if generator is None or own is None or weights is None:
            yield
            return
        if misfit := misfit_of(weights, generator):
            raise LoopError(
                f"{self.name}: the weights of an earlier report do not fit the generator of step {self.step}"
                f" ({misfit}): yield a generator of one structure in all snapshots"
            )
        load_weights(generator, weights)
        try:
            yield
        finally:
            load_weights(generator, own)

    def state(self) -> Any:  # noqa: ANN401 - the loop chooses
        """Return what the loop needs to resume; None if the loop cannot.

        Raises:
            LoopError: A checkpoint cannot hold a part of the state; the message has its path.
        """
        function = self.snapshot.state
        if function is None or not self._resumes:
            return None
        with self._environment.entered():
            state = function()
        if fault := unsupported(state, "state()"):
            raise LoopError(
                f"{self.name}: {fault}; a checkpoint holds tensors, Python's numbers, text, and tuples, lists"
                " and dicts of them"
            )
        return state

    def finish(self) -> None:
        """Run the loop to its end after its last report; do nothing if it has not started.

        Raises:
            LoopError: The loop yields again.
        """
        if self._snapshot is None:
            return
        with self._environment.entered():
            yielded = next(self._steps, _ENDED)
        if yielded is not _ENDED:
            raise LoopError(f"{self.name} yielded again after its last step, {self._config.steps}")
        self._environment.leave()

    def close(self) -> None:
        """End the loop where it waits: its ``finally`` blocks run. Restore the settings of the process.

        Raises:
            LoopError: The loop yields instead of ending.
        """
        try:
            with self._environment.entered():
                self._steps.close()
        except RuntimeError as error:
            if str(error) != _IGNORED:
                raise
            raise LoopError(
                f"{self.name} yields again when it is closed: write 'except Exception' where it catches every"
                " exception, and do not yield in a finally block"
            ) from error
        finally:
            self._environment.leave()

    def _number(self, name: str, value: object) -> float:
        try:
            number = value.detach() if isinstance(value, Tensor) else value
            return float(number)  # type: ignore[arg-type] # the exceptions say what is wrong
        except (TypeError, ValueError, RuntimeError):
            shape = f" of shape {tuple(value.shape)}: take its mean" if isinstance(value, Tensor) else ""
            raise LoopError(
                f"{self.name}: the metric {name} must be a number, got a {type(value).__name__}{shape}"
            ) from None

    def _checked(self, yielded: object) -> Snapshot:
        due, restored = self._config.next_report(self.step), self._restored_step
        snapshot = checked_snapshot(self.name, yielded, due, restored, takes_state=self._resumes)
        if snapshot.step == restored:
            return snapshot
        has_generator = snapshot.generator is not None
        if self._yields_generator not in {None, has_generator}:
            raise LoopError(
                f"{self.name} yields a generator in some snapshots only: yield it in all of them, or in none"
            )
        self._yields_generator = has_generator
        return snapshot
