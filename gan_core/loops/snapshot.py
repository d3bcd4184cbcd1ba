"""What a training loop yields."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

Sample = Callable[..., Tensor]
"""``sample(n, rng)`` or ``sample(n, rng, labels)``; see :class:`Snapshot`."""

State = Tensor | int | float | str | None | list["State"] | tuple["State", ...] | dict[str, "State"]


@dataclass(frozen=True)
class Snapshot:
    """A training at one step, while its loop waits at ``yield``.

    Args:
        step: The number of completed steps. Yield when ``step % config.report_every == 0`` and when
            ``step == config.steps``.
        sample: ``sample(n, rng)`` returns ``n`` images of the dataset's shape, floats in [-1, 1] or uint8. It
            is called with at most 250 at a time, under ``no_grad``, while the loop waits. ``rng`` is a random
            generator on the CPU, which continues from call to call. A third parameter, without a default or
            with the name ``labels``, gets the classes of the images, int64 ``(n,)`` on the training's device;
            the classes have the distribution of the training images.
        generator: The network that ``sample`` uses: the average, if the loop has one. Its weights at the best
            report are kept, and loaded again for the final score. Without a generator, the final score is
            that of the last step.
        metrics: Numbers of the loop's own, for the report: losses, for example.
        state: A function that returns all that the loop needs to resume: tensors, numbers, text, and
            tuples, lists and dicts of them. It is called only when a checkpoint is written. Without it, an
            interrupted training starts over.
        grid: A function that returns the 64 images of the sample grid; by default, they are
            ``sample(64, rng)`` with equal random numbers in every report, and one class per row of 8.
        signs: Whether this report shows the sign of a flag; see :class:`gan_core.flags.FlagWatch`.
        messages: Sentences for the user, for example that a faster way did not work. A training shows each
            different one once.
    """

    step: int
    sample: Sample
    generator: nn.Module | None = None
    metrics: Mapping[str, float | Tensor] = field(default_factory=dict)
    state: Callable[[], State] | None = None
    grid: Callable[[], Tensor] | None = None
    signs: Mapping[str, bool] = field(default_factory=dict)
    messages: Sequence[str] = ()
