"""The model of a search-space file: its keys and defaults, and what follows from them."""

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from gan_core.components import EXTRACTORS
from gan_core.datasets import FOLDER, check_dataset
from gan_core.hyperparameters import Hyperparameters
from gan_core.imports import is_import_path
from gan_core.loop_config import LoopConfig
from sweeps.spec.constraints import Constraint, parsed
from sweeps.spec.domains import Domain, Scalar
from sweeps.spec.fields import Channels, Constraints, Method, Name, Parameter, Points, Seconds
from sweeps.spec.portfolio import PORTFOLIO, inside, portfolio_points
from sweeps.spec.published import published_points
from sweeps.spec.sections import Confirm, EarlyTerminate, Metric, Resources, StrictModel
from sweeps.spec.space import Space, fixed_values, searched_domains
from sweeps.spec.training import check_loop_path, hyperparameters_of

FIRST_FRESH_SEED = 2**32
"""Seeds of a search lie below it, unless the file sets ``seed`` otherwise."""

SEEDS_SHARE = 1 / 4
"""The share of the trials, and of the time budget, that trains leading configurations on further seeds."""

BUDGET = ("steps", "batch_size", "report_every", "eval_samples", "final_samples")
"""The parameters that determine how much a trial costs, and how many samples its scores have.

The baseline has the sweep's values of them: with the tutorial's, it would be compared with trials of another
size.
"""


class SweepSpec(StrictModel):
    """A sweep: what it searches, by which method and metric, and with what budget."""

    name: Name = Field(description="The name of the sweep and of its folder in results/.")
    train: Annotated[str, AfterValidator(check_loop_path)] | None = Field(
        None, description="A training loop of your own, MODULE:NAME; gan_core's by default."
    )
    dataset: Annotated[str, AfterValidator(check_dataset)] = Field(
        "mnist-5k", description="The images to learn: a name, folder:PATH or MODULE:NAME."
    )
    image_size: int | None = Field(
        None,
        ge=4,
        le=1024,
        multiple_of=4,
        description="Height and width of the images of folder:PATH, in pixels.",
    )
    channels: Channels | None = Field(
        None, description="Channels of the images of folder:PATH: 1 is grey, 3 is colour."
    )
    skip_unreadable: bool = Field(
        default=False, description="Train without the images of folder:PATH that cannot be read."
    )
    description: str | None = Field(None, description="The question of the sweep, in words.")
    method: Method = Field(
        "tpe",
        description="The sampler of configurations; W&B's bayes is tpe. MODULE:NAME: a class or function of"
        " your own that returns an Optuna sampler.",
    )
    method_options: dict[str, Any] = Field(
        default={},
        description="Arguments of the sampler, by name: {n_startup_trials: 20}; seed is set for each trial.",
    )
    extractor: Annotated[str, AfterValidator(EXTRACTORS.check)] = Field(
        "classifier",
        description="The feature extractor of the scores: classifier, a small classifier of the dataset's"
        " images; inception, Inception v3; or MODULE:NAME.",
    )
    reference: Literal["held-out", "train"] = Field(
        "held-out",
        description="The images that samples are compared with: held-out, or train as in the published"
        " scores of CIFAR-10 and FFHQ.",
    )
    metric: list[Metric] = Field(
        default_factory=lambda: [Metric()],
        min_length=1,
        description="The objectives; the first one also ranks trials and stops them early.",
    )
    constraints: Constraints = Field(
        default=[],
        description="Bounds on reported metrics, METRIC <= NUMBER or METRIC >= NUMBER; a trial that breaks"
        " one ranks after all that do not, and cannot win.",
    )
    trials: int = Field(
        24, ge=1, le=10**6, description="The number of configurations to train; W&B's run_cap."
    )
    time_budget: Seconds | None = Field(
        None,
        gt=0,
        description="The time after which the sweep ends, with its running trials: seconds, or 90m, 2h, 1d;"
        " no limit by default.",
    )
    checkpoint_every: Seconds = Field(
        30.0,
        ge=0,
        description="The time, in seconds or as 5m, after which the next report writes a checkpoint.",
    )
    retries: int = Field(
        2,
        ge=0,
        le=100,
        description="How often a trial resumes from its last checkpoint after its worker was killed or ran"
        " out of memory. A trial that raises an exception is not retried.",
    )
    trial_timeout: Seconds | None = Field(
        None,
        gt=0,
        description="The time without a report, in seconds or as 10m, after which gan-sweep ends a trial's"
        " worker; the trial then resumes as after the death of a worker. No limit by default.",
    )
    fresh_worker: bool = Field(
        default=False,
        description="Whether each trial has a new process, for training loops that leave something behind in"
        " a process; by default, a process trains one trial after another.",
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="The random seed, from which the sampler and each trial get their own seeds.",
    )
    parameters: dict[str, Parameter] = Field(description="The value or the domain of each hyperparameter.")
    early_terminate: EarlyTerminate = Field(default_factory=EarlyTerminate)
    stop_on: list[Literal["collapse", "discriminator-won"]] = Field(
        default=[], description="Flags that stop a trial; flags are recorded in any case."
    )
    points: Points = Field(
        default=[{}],
        description="Configurations to try first; a parameter that a point leaves out has its"
        " default. published: the settings that papers recommend for the searched losses; portfolio:"
        " configurations that did well in recorded sweeps.",
    )
    resources: Resources = Field(default_factory=Resources)
    keep: int = Field(
        5,
        ge=0,
        le=10**6,
        description="The number of best trials with a kept generator, besides the defaults and the finalists"
        " of the confirmation; 0 keeps no generator.",
    )
    confirm: Confirm | None = Field(
        None, description="Train the best configurations again on fresh seeds after the search."
    )

    @field_validator("image_size", "channels", "skip_unreadable")
    @classmethod
    def _check_folder(cls, value: int | None, others: ValidationInfo) -> int | None:
        dataset = others.data.get("dataset", FOLDER)
        if value and not dataset.startswith(FOLDER):
            raise ValueError(
                f"allowed only with dataset: {FOLDER}PATH, and the dataset is {dataset}: remove it"
            )
        return value

    @model_validator(mode="after")
    def _check_classes(self) -> "SweepSpec":
        if self.extractor != "classifier" and any(metric.name == "class_kl" for metric in self.metric):
            raise ValueError("class_kl needs the classes of the images: type extractor: classifier")
        return self

    @model_validator(mode="after")
    def _check_speed(self) -> "SweepSpec":
        if self.train and any(metric.name == "images_per_s" for metric in self.metric):
            raise ValueError(
                "images_per_s is measured only in gan_core's own training: remove images_per_s, or train"
            )
        return self

    @field_validator("metric")
    @classmethod
    def _check_metrics(cls, metrics: list[Metric]) -> list[Metric]:
        if metrics[0].name == "images_per_s":
            raise ValueError(
                "images_per_s does not measure the quality of samples: type another metric first"
            )
        names = [metric.name for metric in metrics]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the metric {name} is listed twice: remove one")
        return metrics

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints on reported metrics."""
        return parsed(self.constraints)

    @property
    def data(self) -> dict[str, Any]:
        """The arguments of :func:`gan_core.load_dataset`."""
        return {
            "name": self.dataset,
            "image_size": self.image_size,
            "channels": self.channels,
            "skip_unreadable": self.skip_unreadable,
        }

    @cached_property
    def import_paths(self) -> list[str]:
        """The user's own training loop, dataset, extractor, sampler and components: ``MODULE:NAME``."""
        components = [str(value) for name in self.components for value in self.values_of(name)]
        loop = [self.train] if self.train else []
        names = [*loop, self.dataset, self.extractor, self.method, *components]
        return [name for name in names if is_import_path(name) and not name.startswith(FOLDER)]

    @property
    def is_population_based(self) -> bool:
        """Whether trials copy one another's weights and parameters (population based training)."""
        return self.early_terminate.type == "pbt"

    @cached_property
    def hyperparameters(self) -> Hyperparameters:
        """The hyperparameters that the trials of this sweep can have.

        Raises:
            GanCoreError: A component cannot be imported, or is not valid.
        """
        return hyperparameters_of(self.train, self.parameters)

    @property
    def components(self) -> list[str]:
        """The parameters that name a component: one of gan_core's, or a user's import path."""
        return [*self.hyperparameters.registries]

    @cached_property
    def domains(self) -> dict[str, Domain]:
        """The domains of the parameters, with all conditions.

        The parameter of a component has, besides those of the file, the condition that a component is chosen
        which declares it.
        """
        return {
            name: domain.model_copy(update={"when": self._conditions(name, domain)})
            for name, domain in self.parameters.items()
        }

    def _conditions(self, name: str, domain: Domain) -> dict[str, list[Scalar]]:
        field = self.hyperparameters[name].chosen_by
        is_always_chosen = field in fixed_values(self.parameters)
        if field is None or is_always_chosen:
            return domain.when
        declaring: list[Scalar] = [*self.hyperparameters[name].models]
        allowed = domain.when.get(field, declaring)
        return {field: [value for value in allowed if value in declaring], **domain.when}

    @property
    def searched(self) -> dict[str, Domain]:
        """The domains of the parameters that differ between trials or have conditions."""
        return searched_domains(self.domains)

    @cached_property
    def space(self) -> Space:
        """The search space: the searched parameters with their conditions."""
        return Space(self.searched, self.defaults)

    @property
    def baseline(self) -> dict[str, Scalar]:
        """The point of the defaults, with values of :data:`BUDGET` that the sweep contains."""
        return self.with_defaults({})

    @property
    def max_trials(self) -> int:
        """The most trials: ``trials``, or those that the seeds of a finite space allow if they are fewer."""
        size = self.space.size()
        if size is None:
            return self.trials
        points = size + (not self.space.contains(self.baseline))
        return min(self.trials, points * self.early_terminate.seeds)

    @property
    def max_configurations(self) -> int:
        """The most configurations that are tried; a finite space may have fewer points."""
        size, most = self.space.size(), self.trials - self.seed_trials
        return most if size is None else min(most, size + (not self.space.contains(self.baseline)))

    @property
    def seed_trials(self) -> int:
        """The number of trials at the end that train leading configurations on further seeds.

        The first points are tried in any case.
        """
        if self.early_terminate.seeds == 1:
            return 0
        return max(0, min(int(self.trials * SEEDS_SHARE), self.trials - len(self.first_points())))

    def first_points(self) -> list[dict[str, Scalar]]:
        """Return the points to try first, with all parameters: the baseline, then those of the file."""
        points = [self.baseline]
        for point in self.points:
            if isinstance(point, dict):
                points += [self.with_defaults(point)] if point else []
            elif point == PORTFOLIO:
                points += self._points_of_portfolio()
            else:
                published = published_points(self.searched, self.defaults)
                points += [full for full in map(self.with_defaults, published) if self.space.contains(full)]
        return [point for index, point in enumerate(points) if point not in points[:index]]

    def full_point(self, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a point with all parameters; those that it leaves out have a value near the default."""
        return self.with_defaults(inside(self.searched, self.with_defaults(point)))

    def _points_of_portfolio(self) -> list[dict[str, Scalar]]:
        """Return full points of the portfolio, each with the parameters that its conditions allow."""
        full = [self.full_point(point) for point in portfolio_points(self.searched)]
        return [point for point in full if self.space.contains(point)]

    def with_defaults(self, point: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return a full point: a parameter that ``point`` leaves out has its components' default.

        A parameter of :data:`BUDGET` has the value of its domain that is nearest to the default. A parameter
        with one value and a condition has that value, except in the baseline.
        """
        single = {name: domain.only_value() for name, domain in self.searched.items()} if point else {}
        point = {name: value for name, value in single.items() if value is not None} | {**point}
        components = {
            name: point[name] for name in self.components if name in point and name in self.searched
        }
        defaults = self.hyperparameters.defaults(self._fixed | components)
        nearest = {
            name: domain.nearest(defaults[name]) for name, domain in self.searched.items() if name in BUDGET
        }
        return self.space.with_defaults(point, defaults | nearest)

    def trial_config(self, params: Mapping[str, Scalar], number: int) -> LoopConfig:
        """Return the configuration of trial ``number``: the fixed parameters, and the searched ``params``.

        Raises:
            pydantic.ValidationError: The config has a rule for several hyperparameters together, and the
                parameters break it.
        """
        return self.hyperparameters.config.model_validate(self._given(params, number))

    def trial_values(self, params: Mapping[str, Scalar], number: int) -> dict[str, Scalar]:
        """Return all hyperparameters of trial ``number``, also if its config would refuse them.

        If it does, the trial fails in its worker, and the record has the reason.
        """
        return self.hyperparameters.defaults(self._given(params, number))

    def _given(self, params: Mapping[str, Scalar], number: int) -> dict[str, Scalar]:
        digest = sha256(f"{self.seed}/{number}".encode()).digest()
        return {"seed": int.from_bytes(digest[:4], "big"), **self._fixed, **params}

    def fresh_seed(self, place: int) -> int:
        """Return seed number ``place`` of a confirmation, from 0; no trial of the search has this seed."""
        digest = sha256(f"{self.seed}/{place}/confirm".encode()).digest()
        seed = FIRST_FRESH_SEED + int.from_bytes(digest[:4], "big")
        own = self.parameters.get("seed")
        while own is not None and own.contains(seed):
            seed += FIRST_FRESH_SEED
        return seed

    def values_of(self, name: str) -> list[Scalar]:
        """Return the values of a parameter that is fixed or a choice; the baseline's value comes first."""
        first = self.trial_config(self.baseline, 0).model_dump()[name]
        listed = (
            [value for _, value in self.parameters[name].boundary_values()] if name in self.parameters else []
        )
        return list(dict.fromkeys([first, *listed]))

    @property
    def _fixed(self) -> dict[str, Any]:
        return fixed_values(self.domains)

    @property
    def defaults(self) -> dict[str, Any]:
        """The configuration of a trial without the searched parameters: the fixed values and the defaults."""
        return self.hyperparameters.defaults(self._fixed)

    @property
    def reports_per_trial(self) -> int:
        """The most reports that one trial can make."""
        return -(-self.most_steps // min(self._bounds("report_every")))

    @property
    def most_steps(self) -> int:
        """The most steps that one trial can take."""
        return max(self._bounds("steps"))

    @property
    def samples_per_score(self) -> tuple[int, ...]:
        """The numbers of samples that scores rest on: the least of a report and of the end of a trial."""
        return min(self._bounds("eval_samples")), min(self._bounds("final_samples"))

    def _bounds(self, name: str) -> list[int]:
        """Return the extreme values of a parameter of :data:`BUDGET`."""
        domain = self.searched.get(name)
        listed = [] if domain is None else [value for _, value in domain.boundary_values()]
        default = [self.defaults[name]] if domain is None or domain.when else []
        return [int(value) for value in (*listed, *default)]
