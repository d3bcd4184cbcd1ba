"""The nested sections of a search-space file."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gan_core.errors import allowed_and_closest
from sweeps.spec.whole_numbers import as_whole

MAX_GPUS = 64
DEFAULT_MAX_SEEDS = 10

GOALS: dict[str, Literal["minimize", "maximize"]] = {
    "fid": "minimize",
    "kid": "minimize",
    "precision": "maximize",
    "recall": "maximize",
    "coverage": "maximize",
    "class_kl": "minimize",
    "images_per_s": "maximize",
}
"""The metrics that a sweep can optimise, each with its goal."""


class StrictModel(BaseModel):
    """A mapping of a search-space file: frozen, with strict types, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read_whole_numbers(cls, values: Any) -> Any:  # noqa: ANN401 - not validated yet
        if not isinstance(values, Mapping):
            return values
        whole = {name for name, field in cls.model_fields.items() if field.annotation in {int, int | None}}
        return {key: as_whole(value) if key in whole else value for key, value in values.items()}


def _check_metric(name: str) -> str:
    if name in {"d_loss", "g_loss"}:
        raise ValueError(f"a GAN loss does not measure the quality of samples; allowed: {', '.join(GOALS)}")
    if name not in GOALS:
        raise ValueError(f"unknown metric; {allowed_and_closest(name, GOALS)}")
    return name


def _check_gpu(gpu: object) -> object:
    whole = range(2, MAX_GPUS + 1)
    is_amount = isinstance(gpu, int | float) and not isinstance(gpu, bool) and (0 <= gpu <= 1 or gpu in whole)
    if gpu == "auto":
        return gpu
    if is_amount:
        return float(cast("float", gpu))
    raise ValueError(f"allowed: auto, a fraction from 0 to 1, or a whole number up to {MAX_GPUS}")


class Metric(StrictModel):
    """A metric that ranks trials, and its goal."""

    name: Annotated[str, AfterValidator(_check_metric)] = Field(
        "fid",
        description="A score of the samples, or images_per_s, the speed of training.",
        json_schema_extra={"enum": [*GOALS]},
    )
    goal: Literal["minimize", "maximize"] = Field(
        "minimize", description="Whether lower or higher values are better; fixed by the metric."
    )

    @model_validator(mode="before")
    @classmethod
    def _goal_of_the_name(cls, values: Any) -> Any:  # noqa: ANN401 - not validated yet
        if isinstance(values, Mapping) and "goal" not in values:
            return {**values, "goal": GOALS.get(str(values.get("name", "fid")), "minimize")}
        return values

    @field_validator("goal")
    @classmethod
    def _check_goal(cls, goal: str, others: ValidationInfo) -> str:
        name = others.data.get("name")
        if name is not None and goal != GOALS[name]:
            raise ValueError(
                f"{name} is better when it is {'higher' if goal == 'minimize' else 'lower'}:"
                f" type goal: {GOALS[name]}, or leave goal out"
            )
        return goal


class EarlyTerminate(StrictModel):
    """The rule that stops or changes a trial because other trials score better after as many reports."""

    type: Literal["asha", "hyperband", "median", "pbt", "none"] = Field(
        "asha",
        description="asha: ASHA (arXiv:1810.05934), also called hyperband as in W&B; median: the median"
        " stopping rule; pbt: population based training (arXiv:1711.09846), which stops no trial but copies"
        " the weights of better trials into worse ones; none: no early stopping.",
    )
    min_iter: int | None = Field(
        None,
        ge=1,
        description="Reports before a trial may be stopped (default 1); with pbt, between two exchanges.",
    )
    eta: int = Field(
        3,
        ge=2,
        le=10**6,
        description="At each rung, one in eta trials continues; with pbt, the worst one in eta trials copies"
        " the best one in eta.",
    )
    max_iter: int | None = Field(
        None, ge=1, le=10**9, description="W&B's alternative to min_iter, which is then max_iter / eta ** s."
    )
    s: int | None = Field(None, ge=1, le=30, description="The number of rungs below max_iter.")
    seeds: int = Field(
        1,
        ge=1,
        le=100,
        description="The most trainings of one configuration: with more than 1, the last quarter of the"
        " trials, and of the time budget, trains the configurations that lead on further seeds.",
    )

    @model_validator(mode="after")
    def _check_rungs(self) -> "EarlyTerminate":
        if (self.max_iter is None) != (self.s is None):
            raise ValueError("max_iter and s need each other: type both, or min_iter alone")
        if self.max_iter is not None and self.min_iter is not None:
            raise ValueError("min_iter excludes max_iter and s: type min_iter alone, or max_iter and s")
        return self

    @property
    def first_rung(self) -> int:
        """The number of reports before a trial may be stopped."""
        if self.max_iter is None or self.s is None:
            return self.min_iter or 1
        return max(1, int(self.max_iter / self.eta**self.s))


class Resources(StrictModel):
    """The cores and GPUs of one trial."""

    cpu: int = Field(1, ge=1, le=4096, description="Cores of a trial, and torch threads.")
    gpu: Annotated[Literal["auto"] | float, PlainValidator(_check_gpu)] = Field(
        "auto",
        description="GPUs of a trial: auto (one if the machine has any), a fraction, or a whole number.",
    )


class Confirm(StrictModel):
    """The confirmation: the best configurations are trained again on fresh seeds."""

    top: int = Field(
        3,
        ge=1,
        le=100,
        description="The number of best configurations to train again. The defaults are trained, too, and not"
        " counted among them.",
    )
    seeds: int = Field(
        3, ge=2, le=1000, description="Fresh seeds of every finalist; all finalists have the same seeds."
    )
    until_resolved: bool = Field(
        default=False,
        description="Add seeds until the best is significantly better than every other finalist.",
    )
    max_seeds: int | None = Field(
        None, ge=2, le=1000, description="With until_resolved: the most seeds of one finalist (default 10)."
    )

    @model_validator(mode="after")
    def _check_seeds(self) -> "Confirm":
        if self.max_seeds is not None and not self.until_resolved:
            raise ValueError(
                "max_seeds needs until_resolved: true (--until-resolved); without it, seeds is the number of"
                " seeds"
            )
        if self.max_seeds is not None and self.max_seeds < self.seeds:
            raise ValueError(f"max_seeds is {self.max_seeds}: it must be at least seeds, {self.seeds}")
        return self

    @property
    def looks(self) -> tuple[int, ...]:
        """The looks: the numbers of seeds after which the finalists are compared, ascending.

        A sequential test looks at its data several times and corrects its level for the number of looks.
        """
        most = self.max_seeds or max(DEFAULT_MAX_SEEDS, self.seeds)
        return tuple(range(self.seeds, most + 1)) if self.until_resolved else (self.seeds,)
