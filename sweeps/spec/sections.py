"""The nested sections of a search-space file."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

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

MOST_GPUS = 64
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
"""What a trial can be searched by, and which way is better."""

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Section(BaseModel):
    """A mapping of a search-space file: frozen, strict, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _check_metric(name: str) -> str:
    if name in {"d_loss", "g_loss"}:
        raise ValueError(f"a GAN loss says nothing of the samples; allowed: {', '.join(GOALS)}")
    if name not in GOALS:
        raise ValueError(f"unknown metric; {allowed_and_closest(name, GOALS)}")
    return name


def as_seconds(budget: object) -> object:
    """Read a duration such as ``90m`` as seconds; leave any other value as it is."""
    return parse_seconds(budget) if isinstance(budget, str) else budget


def parse_seconds(budget: str) -> float:
    """Read a duration such as ``90m`` as seconds."""
    duration = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", budget)
    if duration is None:
        raise ValueError("expected seconds, or a number with s, m, h or d, such as 90m or 2h")
    return float(duration[1]) * SECONDS[duration[2] or "s"]


def _check_gpu(gpu: object) -> object:
    whole = range(2, MOST_GPUS + 1)
    is_amount = isinstance(gpu, int | float) and not isinstance(gpu, bool) and (0 <= gpu <= 1 or gpu in whole)
    if gpu == "auto" or is_amount:
        return gpu
    raise ValueError("allowed: auto, a share from 0 to 1, or a whole number")


class Metric(Section):
    """What says which trial is better."""

    name: Annotated[str, AfterValidator(_check_metric)] = Field(
        "fid", description="A score of the samples, or images_per_s.", json_schema_extra={"enum": [*GOALS]}
    )
    goal: Literal["minimize", "maximize"] = Field("minimize", description="Which way is better.")

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
            raise ValueError(f"{name} is better when it is {'more' if goal == 'minimize' else 'less'}")
        return goal


class EarlyTerminate(Section):
    """What is done with a trial because others did better with as many reports."""

    type: Literal["asha", "hyperband", "median", "pbt", "none"] = Field(
        "asha",
        description="ASHA (arXiv:1810.05934), W&B's hyperband; the median rule; population based training"
        " (arXiv:1711.09846), which stops none: a trial takes over a better one's weights; or nothing.",
    )
    min_iter: int | None = Field(
        None, ge=1, description="Reports before a trial may be stopped (1); with pbt, between two take-overs."
    )
    eta: int = Field(
        3,
        ge=2,
        le=10**6,
        description="One in eta trials goes on at each rung; with pbt, one in eta takes over, and is taken"
        " over from.",
    )
    max_iter: int | None = Field(
        None, ge=1, le=10**9, description="W&B's other way to give min_iter: max_iter / eta ** s."
    )
    s: int | None = Field(None, ge=1, le=30, description="Rungs below max_iter.")

    @model_validator(mode="after")
    def _check_rungs(self) -> "EarlyTerminate":
        if (self.max_iter is None) != (self.s is None):
            raise ValueError("max_iter and s belong together; or give min_iter alone")
        if self.max_iter is not None and self.min_iter is not None:
            raise ValueError("give min_iter, or max_iter and s")
        return self

    @property
    def first_rung(self) -> int:
        """Reports before a trial may be stopped."""
        if self.max_iter is None or self.s is None:
            return self.min_iter or 1
        return max(1, int(self.max_iter / self.eta**self.s))


class Resources(Section):
    """What one trial runs on."""

    cpu: int = Field(1, ge=1, le=4096, description="Cores, and torch threads, of a trial.")
    gpu: Annotated[Literal["auto"] | float, PlainValidator(_check_gpu)] = Field(
        "auto", description="GPUs of a trial; auto is one where there are any."
    )


class Confirm(Section):
    """How the best configurations are trained again, on fresh seeds."""

    top: int = Field(3, ge=1, le=100, description="Configurations, beside the seed tutorial's defaults.")
    seeds: int = Field(3, ge=2, le=1000, description="Seeds of each, the same ones.")
    until_resolved: bool = Field(
        default=False, description="Go on with further seeds where the best is not told from others yet."
    )
    max_seeds: int | None = Field(
        None, ge=2, le=1000, description="The most seeds of one, where it goes on until resolved (10)."
    )

    @model_validator(mode="after")
    def _check_seeds(self) -> "Confirm":
        if self.max_seeds is not None and not self.until_resolved:
            raise ValueError("max_seeds is for until_resolved: true; without it there are as many as seeds")
        if self.max_seeds is not None and self.max_seeds < self.seeds:
            raise ValueError(f"max_seeds is {self.max_seeds}: there are {self.seeds} seeds to begin with")
        return self

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds that configurations are compared at, ascending."""
        most = self.max_seeds or max(DEFAULT_MAX_SEEDS, self.seeds)
        return tuple(range(self.seeds, most + 1)) if self.until_resolved else (self.seeds,)
