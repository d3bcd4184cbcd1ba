"""A search-space file: read, checked as a whole, and frozen."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gan_core.config import CHANGEABLE, UNUSED_WITH, TrialConfig
from gan_core.datasets import FOLDER, check_dataset
from gan_core.errors import allowed_and_closest, closest
from gan_core.registry import is_import_path
from sweeps.errors import Fault, SpecError
from sweeps.published import PUBLISHED, published_points
from sweeps.source import Override, Source, parse_setting
from sweeps.space import (
    KINDS,
    Choice,
    CycleError,
    Domain,
    Domain_,
    Fixed,
    IntUniform,
    LogUniform,
    Normal,
    QLogUniform,
    QUniform,
    Scalar,
    ScalarField,
    Space,
    Uniform,
)
from sweeps.wandb import NO_PARAMETER, OUR_PARAMETERS, Path_
from sweeps.words import NAME_PATTERN

__all__ = ["Override", "SweepSpec", "check_name", "load_spec", "parse_setting", "read_spec"]

MOST_GPUS = 64
DEFAULT_MAX_SEEDS = 10
FIRST_FRESH_SEED = 2**32
"""Trials of a search have seeds below it, unless their file gives them others."""
LONGEST_VALUE = 60
COMPONENTS = ("architecture", "loss", "penalty")
"""The parameters whose values may be a user's own."""
RESERVED_NAMES = {"mlflow.db", "mlflow.lock", "mlartifacts", "README.md"}

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

POINT = "point"
"""What pydantic calls an item of ``points`` that is a mapping, in the paths of its errors."""

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _check_metric(name: str) -> str:
    if name in {"d_loss", "g_loss"}:
        raise ValueError(f"a GAN loss says nothing of the samples; allowed: {', '.join(GOALS)}")
    if name not in GOALS:
        raise ValueError(f"unknown metric; {allowed_and_closest(name, GOALS)}")
    return name


def _as_seconds(budget: object) -> object:
    return _seconds(budget) if isinstance(budget, str) else budget


def _seconds(budget: str) -> float:
    """Read a duration such as ``90m`` as seconds."""
    duration = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", budget)
    if duration is None:
        raise ValueError("expected seconds, or a number with s, m, h or d, such as 90m or 2h")
    return float(duration[1]) * SECONDS[duration[2] or "s"]


def _as_points(points: object) -> object:
    return [points] if points == PUBLISHED else points


def _wandbs_method(method: object) -> object:
    return "tpe" if method == "bayes" else method


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise ValueError("a name is letters, digits, '.', '_' and '-', 64 at most, a letter or digit first")
    if name in RESERVED_NAMES:
        raise ValueError("this name is taken by what lies beside the sweeps in results")
    return name


def _check_gpu(gpu: object) -> object:
    whole = range(2, MOST_GPUS + 1)
    is_amount = isinstance(gpu, int | float) and not isinstance(gpu, bool) and (0 <= gpu <= 1 or gpu in whole)
    if gpu == "auto" or is_amount:
        return gpu
    raise ValueError("allowed: auto, a share from 0 to 1, or a whole number")


def _check_channels(channels: int) -> int:
    if channels not in {1, 3}:
        raise ValueError("allowed: 1, grey, or 3, colour")
    return channels


class Metric(_Section):
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


class EarlyTerminate(_Section):
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


class Resources(_Section):
    """What one trial runs on."""

    cpu: int = Field(1, ge=1, le=4096, description="Cores, and torch threads, of a trial.")
    gpu: Annotated[Literal["auto"] | float, PlainValidator(_check_gpu)] = Field(
        "auto", description="GPUs of a trial; auto is one where there are any."
    )


class Confirm(_Section):
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


class SweepSpec(_Section):
    """What a sweep searches, how, and with what budget."""

    name: Annotated[str, AfterValidator(_check_name)] = Field(
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
        float | None, BeforeValidator(_as_seconds, json_schema_input_type=float | str | None)
    ] = Field(None, gt=0, description="When to end, running trials included: seconds, or such as 90m or 2h.")
    checkpoint_every: Annotated[float, BeforeValidator(_as_seconds, json_schema_input_type=float | str)] = (
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


def check_name(name: str | None) -> None:
    """Check a sweep's name as it was given with ``--name``.

    Raises:
        SpecError: It cannot be a folder's name.
    """
    try:
        _check_name(name or "free")
    except ValueError as error:
        raise SpecError([Fault(f"--name {name}", str(error))]) from None


def parse_budget(budget: str | None) -> float | None:
    """Read a time budget as it was given with ``--time-budget``: seconds, or such as 90m.

    Raises:
        SpecError: It is no duration.
    """
    if budget is None:
        return None
    try:
        return _seconds(budget)
    except ValueError as error:
        raise SpecError([Fault(f"--time-budget {budget}", str(error))]) from None


def confirm_settings(of_spec: Mapping[str, Any] | None, options: Mapping[str, Any]) -> Confirm:
    """Return how to confirm: as a spec says, or by default, but for the options of the command line.

    Raises:
        SpecError: An option has a fault.
    """
    given = {name: value for name, value in options.items() if value is not None}
    kept = dict(of_spec or {})
    if "seeds" in given and "max_seeds" not in given:
        kept.pop("max_seeds", None)
    try:
        return Confirm.model_validate(kept | given)
    except ValidationError as error:
        faults = []
        for detail in error.errors(include_url=False):
            option = "".join(f"--{str(part).replace('_', '-')}" for part in detail["loc"])
            place = f"{option} {detail['input']}" if option else "confirm"
            message = detail["msg"].removeprefix("Value error, ")
            faults.append(Fault(place, f"{message[0].lower()}{message[1:]}"))
        raise SpecError(faults) from None


def load_spec(file: Path | str, overrides: Sequence[Override] = ()) -> SweepSpec:
    """Read and check a search-space file, warning of what in it would not be used.

    Args:
        file: A YAML 1.2 file.
        overrides: Values that replace those of the file, checked like them.

    Raises:
        SpecError: The file cannot be read or has faults: all of them are listed.
    """
    spec, remarks = read_spec(file, overrides)
    for remark in remarks:
        warnings.warn(str(remark), stacklevel=2)
    return spec


def read_spec(file: Path | str, overrides: Sequence[Override] = ()) -> tuple[SweepSpec, list[Fault]]:
    """Return what :func:`load_spec` does, and what in the file would not be used.

    Raises:
        SpecError: The file cannot be read or has faults: all of them are listed.
    """
    source = Source.read(Path(file), overrides)
    faults = [*source.faults(), *_shape_faults(source), *_parameter_faults(source)]
    for faults_of_the_whole in (_condition_faults, _method_faults, _population_faults, _point_faults):
        sound = _sound_part(source.content, [fault.path for fault in faults])
        faults += [] if sound is None else faults_of_the_whole(sound, source)
    if faults:
        raise SpecError(sorted(faults, key=source.order))
    spec = SweepSpec.model_validate(source.content)
    return spec, [*_unused(spec, source)]


def _sound_part(content: Mapping[str, Any], broken: Sequence[Path_]) -> SweepSpec | None:
    """Return a spec without what is broken, and what depends on it, or None where that is none.

    What stands in it is checked too: all faults of a file are seen at once.
    """
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or ("parameters",) in broken:
        return None
    absent = {path[1] for path in broken if path[:1] == ("parameters",)}
    while depending := {name for name in parameters.keys() - absent if _when(parameters[name]) & absent}:
        absent |= depending
    sound = {key: value for key, value in content.items() if key not in {path[0] for path in broken if path}}
    sound["parameters"] = {name: each for name, each in parameters.items() if name not in absent}
    if isinstance(sound.get("points"), list):
        sound["points"] = [{} if absent & {*point} else point for point in sound["points"]]
    try:
        return SweepSpec.model_validate({"name": "sound"} | sound)
    except ValidationError:
        return None


def _when(parameter: object) -> set[str]:
    """Return the names of what a parameter depends on, as far as it is well-formed."""
    when = parameter.get("when") if isinstance(parameter, Mapping) else None
    return set(when) if isinstance(when, Mapping) else set()


_SECTIONS: dict[str, type[BaseModel]] = {
    "metric": Metric,
    "early_terminate": EarlyTerminate,
    "resources": Resources,
    "confirm": Confirm,
}


def _shape_faults(source: Source) -> Iterator[Fault]:
    """Yield what the models find wrong: unknown and missing keys, wrong types, values out of range."""
    try:
        SweepSpec.model_validate(source.content)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["type"] != "missing" or not _is_misspelt(detail["loc"], detail["input"]):
                yield _fault(source, detail["loc"], detail["type"], detail["msg"], detail["input"])


def _is_misspelt(location: Path_, mapping: Mapping[str, Any]) -> bool:
    """Return whether a mapping has, for its missing key, an unknown one that is close: that says it all."""
    return bool(closest(str(location[-1]), mapping.keys() - {*_allowed(location)}))


def _fault(source: Source, location: Path_, kind: str, message: str, value: Any) -> Fault:  # noqa: ANN401
    message = message.removeprefix("Value error, ")
    if not location:
        return source.fault((), f"{message[0].lower()}{message[1:]}")
    has_kind = len(location) > 2 and location[2] in (*KINDS, POINT, "word")
    path = location[:2] + location[3:] if has_kind else location
    key = str(path[-1])
    if kind == "extra_forbidden":
        return source.fault(
            path, f"unknown key {key!r}; {allowed_and_closest(key, _allowed(location))}", of_key=True
        )
    if kind == "missing":
        return source.fault(path[:-1], f"missing key {key!r}", of_key=True)
    if kind == "model_type":
        message = f"expected a mapping with the keys {', '.join(_allowed((*location, '')))}"
    shown = f" is {_brief(value)}" if isinstance(value, Scalar | None) else ""
    dotted = ".".join(str(part) for part in source.as_typed(path))
    return source.fault(path, f"{dotted}{shown}: {message[0].lower()}{message[1:]}")


def _allowed(location: Path_) -> list[str]:
    """Return the keys that may stand where the last part of ``location`` does."""
    if location[0] == "parameters" and len(location) > 2:
        kind = KINDS[str(location[2])]
        return list(kind.model_fields) if kind is not Fixed else _ALL_KEYS
    model = _SECTIONS.get(str(location[0]), SweepSpec) if len(location) > 1 else SweepSpec
    return list(model.model_fields)


_ALL_KEYS = list(dict.fromkeys(key for kind in KINDS.values() for key in kind.model_fields))


def _brief(value: Scalar | None) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _parameter_faults(source: Source) -> Iterator[Fault]:
    """Yield the parameters that no trial has, and the values that a trial would refuse."""
    parameters = source.content.get("parameters")
    if not isinstance(parameters, dict):
        return
    domain_of = TypeAdapter[Domain](Parameter)
    for name, raw in parameters.items():
        path: Path_ = ("parameters", name)
        if name not in TrialConfig.model_fields:
            yield source.fault(path, f"unknown parameter {name!r}{_instead(name)}", of_key=True)
            continue
        try:
            domain = domain_of.validate_python(raw)
        except ValidationError:
            continue
        misfit = _misfit(name, domain)
        if misfit:
            yield source.fault(path, misfit)
            continue
        for key, value in domain.extremes():
            message = _refusal(name, value)
            if message:
                yield source.fault(_value_path(source, path, key, value), message)


def _instead(name: str) -> str:
    """Return what to type instead of a parameter that there is not, as the end of a sentence."""
    if name in NO_PARAMETER:
        return f": {NO_PARAMETER[name]}"
    if name in OUR_PARAMETERS:
        return f": here it is called {OUR_PARAMETERS[name]}"
    return f"; {allowed_and_closest(name, TrialConfig.model_fields)}"


def _misfit(name: str, domain: Domain) -> str | None:
    """Return what is wrong with a range of whole numbers for a real parameter, or the reverse."""
    kind = TrialConfig.model_fields[name].annotation
    is_range = not isinstance(domain, Fixed | Choice)
    if kind is int and isinstance(domain, Uniform | LogUniform | Normal):
        scale = "q_log_uniform_values with q: 1" if isinstance(domain, LogUniform) else "int_uniform"
        return f"{name} is a whole number: use distribution {scale}, or values"
    if kind is int and isinstance(domain, QUniform | QLogUniform) and not domain.q.is_integer():
        return f"{name} is a whole number: q must be one too"
    if kind is float and isinstance(domain, IntUniform):
        return f"{name} is a real number: use distribution uniform, or write min: {domain.min}.0"
    if is_range and kind not in {int, float, float | None}:
        return f"{name} is not a number: use values"
    return None


def _value_path(source: Source, path: Path_, key: str, value: Scalar) -> Path_:
    raw = source.content["parameters"][path[-1]]
    if not isinstance(raw, dict):
        return path
    return (*path, key, raw[key].index(value)) if key == "values" else (*path, key)


def _refusal(name: str, value: Scalar) -> str | None:
    """Return why a trial would refuse ``value`` for its parameter ``name``."""
    try:
        TrialConfig.model_validate({name: value})
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        return f"{name} is {_brief(value)}: {message[0].lower()}{message[1:]}"
    return None


def _condition_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the conditions that name no parameter, that never hold, or that lead in a circle."""
    for name, domain in spec.parameters.items():
        for other, allowed in domain.when.items():
            path: Path_ = ("parameters", name, "when", other)
            if other not in TrialConfig.model_fields:
                closest = allowed_and_closest(other, TrialConfig.model_fields)
                yield source.fault(path, f"unknown parameter {other!r}; {closest}", of_key=True)
                continue
            typed = source.content["parameters"][name]["when"][other]
            for index, value in enumerate(allowed):
                value_path = (*path, index) if isinstance(typed, list) else path
                refusal = _refusal(other, value)
                if refusal:
                    yield source.fault(value_path, refusal)
                elif not _may_be(spec, other, value):
                    message = f"{other} is never {_brief(value)}, it is {_in_short(spec, other)}"
                    yield source.fault(value_path, message)
    try:
        _ = Space(spec.searched, {})
    except CycleError as cycle:
        path = ("parameters", cycle.names[0], "when")
        yield source.fault(path, f"the conditions lead in a circle: {cycle}")


def _may_be(spec: SweepSpec, name: str, value: Scalar) -> bool:
    """Return whether a trial that has the parameter ``name`` may have ``value`` for it."""
    domain = spec.parameters.get(name)
    return value == spec.defaults[name] if domain is None else domain.contains(value)


def _in_short(spec: SweepSpec, name: str) -> str:
    domain = spec.parameters.get(name)
    return str(spec.defaults[name] or "not set") if domain is None else domain.in_short()


def _method_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield what the method cannot search."""
    if spec.method == "grid":
        for name, domain in spec.searched.items():
            if domain.all_values() is None:
                message = f"{name} has no end of values, a grid needs each: use values, or a q"
                yield source.fault(("parameters", name), message)
    if len(spec.metric) > 1 and spec.method in {"gp", "cmaes"}:
        message = f"{spec.method} searches by one metric: use tpe, nsga2, random or grid"
        yield source.fault(("method",), message)


def _population_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the searched parameters that trials of a population cannot change on their way."""
    if not spec.exchanges:
        return
    for name, domain in spec.searched.items():
        path: Path_ = ("parameters", name)
        if name not in CHANGEABLE:
            message = (
                f"pbt changes parameters on the way, and {name} is fixed by the weights or the scores: give"
                f" it one value, and search among {', '.join(CHANGEABLE)}"
            )
            yield source.fault(path, message, of_key=True)
        elif domain.when:
            message = f"pbt changes {name} on the way: it can have no condition"
            yield source.fault((*path, "when"), message, of_key=True)


def _point_faults(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the points that name what is not searched, or that lie outside of the space.

    The empty point is the baseline, which is tried wherever it lies.
    """
    own = ((index, point) for index, point in enumerate(spec.points) if isinstance(point, dict))
    for index, point in own:
        unknown = sorted(point.keys() - spec.searched.keys())
        for name in unknown:
            message = f"{name!r} is not searched; {allowed_and_closest(name, spec.searched)}"
            yield source.fault(("points", index, name), message, of_key=True)
        known = {name: value for name, value in point.items() if name not in unknown}
        refusals = {name: refusal for name, value in known.items() if (refusal := _refusal(name, value))}
        for name, refusal in refusals.items():
            yield source.fault(("points", index, name), refusal)
        if point and not unknown and not refusals:
            yield from _outside(spec, source, index, point)


def _outside(spec: SweepSpec, source: Source, index: int, point: Mapping[str, Scalar]) -> Iterator[Fault]:
    whole = spec.filled(point)
    for name in point.keys() - whole.keys():
        message = f"a trial like this point has no {name}: see its when"
        yield source.fault(("points", index, name), message, of_key=True)
    for name, value in whole.items():
        if not spec.searched[name].contains(value):
            path = ("points", index, name) if name in point else ("points", index)
            left_out = "" if name in point else ", its default, as this point leaves it out"
            message = f"{name} is {_brief(value)}{left_out}: outside of what is searched"
            yield source.fault(path, message)


def _unused(spec: SweepSpec, source: Source) -> Iterator[Fault]:
    """Yield the parameters that some trial would have, and not use."""
    for name, domain in spec.parameters.items():
        for other, value in UNUSED_WITH.get(name, {}).items():
            known = spec.parameters.get(other, Fixed(value=spec.defaults[other]))
            possible = [*(known.all_values() or []), *([spec.defaults[other]] if known.when else [])]
            possible = [each for each in possible if each in domain.when.get(other, possible)]
            used = [each for each in possible if each != value]
            path: Path_ = ("parameters", name)
            if not used:
                message = f"no trial uses {name}: {other} is always {value}"
                yield source.fault(path, message, of_key=True)
            elif value in possible and name in spec.searched:
                shown = ", ".join(map(str, used))
                message = (
                    f"a trial whose {other} is {value} does not use {name}: add when: {{{other}: [{shown}]}}"
                )
                yield source.fault(path, message, of_key=True)
