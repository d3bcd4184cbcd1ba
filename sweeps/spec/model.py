"""A search-space file: read, checked as a whole, and frozen."""

import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gan_core.config import TrialConfig
from gan_core.datasets import FOLDER, check_dataset
from gan_core.registry import is_import_path
from sweeps.spec.domains import Domain, Domain_, Fixed, Scalar, ScalarField
from sweeps.spec.published import PUBLISHED, published_points
from sweeps.spec.sections import Confirm, EarlyTerminate, Metric, Resources, Section, as_seconds
from sweeps.spec.space import Space
from sweeps.words import NAME_PATTERN

FIRST_FRESH_SEED = 2**32
"""Trials of a search have seeds below it, unless their file gives them others."""
COMPONENTS = ("architecture", "loss", "penalty")
"""The parameters whose values may be a user's own."""
RESERVED_NAMES = {"mlflow.db", "mlflow.lock", "mlartifacts", "README.md"}

POINT = "point"
"""What pydantic calls an item of ``points`` that is a mapping, in the paths of its errors."""


def _as_points(points: object) -> object:
    return [points] if points == PUBLISHED else points


def _wandbs_method(method: object) -> object:
    return "tpe" if method == "bayes" else method


def valid_name(name: str) -> str:
    """Return a sweep's name unchanged.

    Raises:
        ValueError: It cannot name a folder in results.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("a name is letters, digits, '.', '_' and '-', 64 at most, a letter or digit first")
    if name in RESERVED_NAMES:
        raise ValueError("this name is taken by what lies beside the sweeps in results")
    return name


def _check_channels(channels: int) -> int:
    if channels not in {1, 3}:
        raise ValueError("allowed: 1, grey, or 3, colour")
    return channels


def _as_domain(parameter: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    """Read a bare scalar as a fixed value: ``steps: 500`` is ``steps: {value: 500}``."""
    return {"value": parameter} if isinstance(parameter, Scalar) else parameter


def _check_mapping(parameter: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    if not isinstance(parameter, Mapping | BaseModel):
        raise ValueError("a parameter is a value, or a mapping with value, values, or min and max")  # noqa: TRY004
    return parameter


Parameter = Annotated[
    Domain,
    BeforeValidator(_check_mapping),
    BeforeValidator(_as_domain, json_schema_input_type=Domain | Scalar),
]


def _kind_of_point(point: object) -> str:
    return POINT if isinstance(point, Mapping) else "word"


Points = list[
    Annotated[
        Annotated[dict[str, ScalarField], Tag(POINT)] | Annotated[Literal["published"], Tag("word")],
        Discriminator(_kind_of_point),
    ]
]


class SweepSpec(Section):
    """What a sweep searches, how, and with what budget."""

    name: Annotated[str, AfterValidator(valid_name)] = Field(
        description="Names the sweep's folder in results/."
    )
    dataset: Annotated[str, AfterValidator(check_dataset)] = Field(
        "mnist-5k", description="What to learn: a name, folder:PATH or MODULE:NAME."
    )
    image_size: int | None = Field(
        None, ge=4, le=1024, multiple_of=4, description="Height and width of a folder's images."
    )
    channels: Annotated[int, AfterValidator(_check_channels)] | None = Field(
        None, description="1 makes a folder's images grey, 3 coloured."
    )
    description: str | None = Field(None, description="What the sweep asks, in words.")
    method: Annotated[
        Literal["tpe", "gp", "cmaes", "nsga2", "random", "grid"], BeforeValidator(_wandbs_method)
    ] = Field("tpe", description="What chooses the next configuration; W&B's bayes is tpe.")
    extractor: Literal["classifier", "inception"] = Field(
        "classifier",
        description="What images are compared by: a small classifier of theirs, or Inception v3.",
    )
    metric: list[Metric] = Field(
        default_factory=lambda: [Metric()],
        min_length=1,
        description="What is searched by; of several, the first also stops trials and ranks them.",
    )
    trials: int = Field(24, ge=1, le=10**6, description="Configurations to train; W&B's run_cap.")
    time_budget: Annotated[
        float | None, BeforeValidator(as_seconds, json_schema_input_type=float | str | None)
    ] = Field(None, gt=0, description="When to end, running trials included: seconds, or such as 90m or 2h.")
    checkpoint_every: Annotated[float, BeforeValidator(as_seconds, json_schema_input_type=float | str)] = (
        Field(
            30.0,
            ge=0,
            description="The most that a kill costs a trial: seconds, or such as 5m; with a report.",
        )
    )
    retries: int = Field(
        2,
        ge=0,
        le=100,
        description="How often a trial is trained again from its last checkpoint after its worker died:"
        " killed, or out of memory. What its code raises is not tried again.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Fixes the suggestions and every trial's own seed.")
    parameters: dict[str, Parameter] = Field(description="Each trial parameter's value or values.")
    early_terminate: EarlyTerminate = Field(default_factory=EarlyTerminate)
    stop_on: list[Literal["collapse", "discriminator-won"]] = Field(
        default=[], description="Flags that stop a trial; they are always recorded."
    )
    points: Annotated[
        Points, BeforeValidator(_as_points, json_schema_input_type=Points | Literal["published"])
    ] = Field(
        default=[{}],
        description="Tried first; what a point leaves out has the seed tutorial's default. published:"
        " what papers recommend for the losses that are searched.",
    )
    resources: Resources = Field(default_factory=Resources)
    keep: int = Field(
        5,
        ge=0,
        le=10**6,
        description="Of how many of the best trials the generator is kept, beside the defaults and the"
        " finalists of a confirmation; 0 keeps none at all.",
    )
    confirm: Confirm | None = Field(
        None, description="Train the best configurations again on fresh seeds once the search is done."
    )

    @field_validator("image_size", "channels")
    @classmethod
    def _check_folder(cls, value: int | None, others: ValidationInfo) -> int | None:
        dataset = others.data.get("dataset", FOLDER)
        if value is not None and not dataset.startswith(FOLDER):
            raise ValueError(f"only a dataset {FOLDER}PATH has it, {dataset} has its own: leave it out")
        return value

    @model_validator(mode="after")
    def _check_classes(self) -> "SweepSpec":
        if self.extractor == "inception" and any(metric.name == "class_kl" for metric in self.metric):
            raise ValueError("class_kl needs an extractor that knows the images' classes: classifier")
        return self

    @field_validator("metric")
    @classmethod
    def _check_metrics(cls, metrics: list[Metric]) -> list[Metric]:
        if metrics[0].name == "images_per_s":
            raise ValueError("images_per_s says nothing of the samples: name a score of theirs first")
        names = [metric.name for metric in metrics]
        if len(set(names)) < len(names):
            raise ValueError("a metric is listed twice")
        return metrics

    @property
    def data(self) -> dict[str, Any]:
        """The arguments of :func:`gan_core.load_dataset`."""
        return {"name": self.dataset, "image_size": self.image_size, "channels": self.channels}

    @property
    def import_paths(self) -> list[str]:
        """The dataset and the components that are a user's own, as ``MODULE:NAME``."""
        named = [self.dataset, *(str(value) for name in COMPONENTS for value in self.values_of(name))]
        return [name for name in named if is_import_path(name) and not name.startswith(FOLDER)]

    @property
    def exchanges(self) -> bool:
        """Whether trials take over one another's weights and parameters."""
        return self.early_terminate.type == "pbt"

    @property
    def searched(self) -> dict[str, Domain_]:
        """The parameters that differ between trials, or that some trials do not have."""
        return {
            name: domain
            for name, domain in self.parameters.items()
            if not isinstance(domain, Fixed) or domain.when
        }

    @cached_property
    def space(self) -> Space:
        """What is searched, with its conditions."""
        return Space(self.searched, TrialConfig(**self._fixed).model_dump())

    @property
    def baseline(self) -> dict[str, Scalar]:
        """The searched parameters at the seed tutorial's defaults."""
        return self.space.filled({}, self.defaults)

    @property
    def most_trials(self) -> int:
        """How many trials there are at the most: a finite space ends, with the defaults beside its points."""
        size = self.space.size()
        if size is None:
            return self.trials
        return min(self.trials, size + (not self.space.contains(self.baseline)))

    def first_points(self) -> list[dict[str, Scalar]]:
        """Return the points to try first, whole: always the baseline, then those of the file."""
        points = [self.baseline]
        for point in self.points:
            if isinstance(point, dict):
                points += [self.filled(point)] if point else []
            else:
                published = published_points(self.searched, self.defaults)
                points += [whole for whole in map(self.filled, published) if self.space.contains(whole)]
        return [point for index, point in enumerate(points) if point not in points[:index]]

    def filled(self, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a whole point: what it leaves out has the seed tutorial's default for its architecture."""
        architecture = {name: value for name, value in point.items() if name == "architecture"}
        return self.space.filled(point, TrialConfig(**self._fixed | architecture).model_dump())

    def trial_config(self, params: Mapping[str, Scalar], number: int) -> TrialConfig:
        """Return the whole configuration of trial ``number`` with the searched parameters ``params``."""
        digest = sha256(f"{self.seed}/{number}".encode()).digest()
        return TrialConfig.model_validate(
            {"seed": int.from_bytes(digest[:4], "big"), **self._fixed, **params}
        )

    def fresh_seed(self, place: int) -> int:
        """Return a seed for a confirmation, ``place`` from 0; no trial of the search has it."""
        digest = sha256(f"{self.seed}/{place}/confirm".encode()).digest()
        seed = FIRST_FRESH_SEED + int.from_bytes(digest[:4], "big")
        own = self.parameters.get("seed")
        while own is not None and own.contains(seed):
            seed += FIRST_FRESH_SEED
        return seed

    def values_of(self, name: str) -> list[Scalar]:
        """Return what a parameter without a range may be in a trial, the baseline's value first."""
        first = self.trial_config(self.baseline, 0).model_dump()[name]
        listed = [value for _, value in self.parameters[name].extremes()] if name in self.parameters else []
        return list(dict.fromkeys([first, *listed]))

    @property
    def _fixed(self) -> dict[str, Any]:
        return {
            name: domain.value
            for name, domain in self.parameters.items()
            if isinstance(domain, Fixed) and not domain.when
        }

    @property
    def defaults(self) -> dict[str, Any]:
        """Every parameter as a trial has it where nothing is searched."""
        return TrialConfig(**self._fixed).model_dump()

    @property
    def reports_per_trial(self) -> int:
        """The most reports that a trial can make."""
        steps, every = self._largest("steps"), self._smallest("report_every")
        return -(-steps // every)

    def _largest(self, name: str) -> int:
        return max(self._bounds(name))

    def _smallest(self, name: str) -> int:
        return min(self._bounds(name))

    def _bounds(self, name: str) -> list[int]:
        listed = [value for _, value in self.parameters[name].extremes()] if name in self.searched else []
        return [int(value) for value in (*listed, self.defaults[name])]
