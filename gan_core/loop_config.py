"""The hyperparameters that every training loop has, and the mark of those that may change during training."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import torch


class Changeable:
    """Mark a hyperparameter that may change during training: ``lr: Annotated[float, Changeable] = 2e-4``.

    Population-based training searches only these. A training that continues from the state of a different
    training may differ from it in these and in the seed. The loop must therefore set them after it loads a
    state, because the state of an optimizer holds the learning rate of the other training.
    """


@dataclass(frozen=True)
class SameAs:
    """Mark a hyperparameter that equals another one if it is None.

    Args:
        name: The other hyperparameter.
    """

    name: str


@dataclass(frozen=True)
class UnusedWith:
    """Mark a hyperparameter that has no effect if another one has this value.

    Args:
        name: The other hyperparameter.
        value: Its value.
    """

    name: str
    value: object


class LoopConfig(BaseModel):
    """The base class of the hyperparameters of a training loop.

    A subclass declares each hyperparameter once, with its type, range and default. The defaults are the
    baseline of a sweep.

    Raises:
        pydantic.ValidationError: A value has the wrong type or is out of range, or a key is unknown.

    >>> class Config(LoopConfig):
    ...     gamma: float = Field(1.0, ge=0)
    >>> Config(gamma=2.0, steps=10).gamma
    2.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    steps: int = Field(3910, ge=1, le=10**9, description="Training steps: in a GAN, generator updates.")
    report_every: int = Field(250, ge=1, le=10**9, description="Steps between reports.")
    eval_samples: int = Field(2000, ge=128, le=10**6, description="Generated images that each report scores.")
    final_samples: int = Field(
        10_000, ge=128, le=10**6, description="Generated images that the final score uses."
    )
    seed: int = Field(
        0, ge=0, lt=2**63, description="Sets the initial weights, the order of the data and the noise."
    )

    @property
    def changeable(self) -> tuple[str, ...]:
        """The hyperparameters that may change during training."""
        return changeable(type(self))

    def next_report(self, step: int) -> int:
        """Return the step of the first report after ``step``.

        >>> LoopConfig(steps=5, report_every=2).next_report(2)
        4
        >>> LoopConfig(steps=5, report_every=2).next_report(4)
        5
        """
        return min(step - step % self.report_every + self.report_every, self.steps)

    def reports_at(self, step: int) -> bool:
        """Return whether a report is due after ``step``: every ``report_every`` steps and at the last one.

        >>> [step for step in range(1, 6) if LoopConfig(steps=5, report_every=2).reports_at(step)]
        [2, 4, 5]
        """
        return step % self.report_every == 0 or step == self.steps

    def identity(self) -> dict[str, Any]:
        """Return the values that must match for a training to resume from a state: the hyperparameters."""
        return self.model_dump()

    def resolved(self, device: "torch.device") -> dict[str, str]:  # noqa: ARG002 - subclasses may need it
        """Return the hyperparameters that may depend on the device, with their values on this device: none.

        A training that resumes on a different device may differ in them.
        """
        return {}


def changeable(config: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of the hyperparameters that may change during training.

    >>> from typing import Annotated
    >>> class Config(LoopConfig):
    ...     lr: Annotated[float, Changeable] = 2e-4
    >>> changeable(Config)
    ('lr',)
    """
    return tuple(name for name, field in config.model_fields.items() if Changeable in field.metadata)
