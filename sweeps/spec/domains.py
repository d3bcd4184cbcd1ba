"""Domains: the values that one parameter may take, by the kind of its distribution."""

from collections.abc import Iterator, Mapping
from math import ceil, floor, isfinite, log10
from statistics import NormalDist
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from sweeps.spec.sections import StrictModel

if TYPE_CHECKING:
    import optuna

Scalar = bool | int | float | str

MIN_PROBABILITY = 1e-3

MAX_SIGMAS = 4.0
"""Standard deviations from the mean at which a normal distribution is truncated."""

MAX_LISTED = 10_000
"""The most numbers that a range lists as a finite set of values."""

MAX_MULTIPLES = 1_000_000
"""The most multiples of ``q`` in a range."""


def _check_scalar(value: object) -> object:
    if isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value)):
        return value
    raise ValueError("expected a finite number, a string, true or false")


ScalarField = Annotated[Scalar, PlainValidator(_check_scalar, json_schema_input_type=Scalar)]
"""A scalar in a model: any other value gives one message, not one for each type of a scalar."""


def _as_list(values: object) -> object:
    return [values] if isinstance(values, Scalar) else values


Alternatives = Annotated[
    list[ScalarField],
    Field(min_length=1),
    BeforeValidator(_as_list, json_schema_input_type=list[Scalar] | Scalar),
]


class Domain(StrictModel):
    """The values that a parameter may take, and the conditions under which a trial has the parameter."""

    when: dict[str, Alternatives] = Field(
        default={},
        description="Conditions: a trial has this parameter only if these parameters have these values.",
    )

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:
        """Return the value that Optuna's sampler chooses for ``trial``."""
        raise NotImplementedError

    def optuna_value(self, value: Scalar) -> Scalar:
        """Return what Optuna's trial stores when :meth:`suggest` returns ``value``."""
        return value

    def contains(self, value: Scalar | None) -> bool:
        """Return whether the parameter may take ``value``; no domain contains None, an unset default."""
        raise NotImplementedError

    def nearest(self, value: Scalar) -> Scalar:
        """Return the value of the domain that is nearest to a number."""
        return value

    def boundary_values(self) -> list[tuple[str, Scalar]]:
        """Return the outermost values, each with its key in the file, to check the trial's limits with."""
        raise NotImplementedError

    def all_values(self) -> list[Scalar] | None:
        """Return every value, or None if there are infinitely many or more than :data:`MAX_LISTED`."""
        return None

    def only_value(self) -> Scalar | None:
        """Return the value of a domain with one value, or None if the domain has several."""
        return None

    def summary(self) -> str:
        """Return a short description of the values."""
        raise NotImplementedError


class Fixed(Domain):
    """The same value in every trial."""

    distribution: Literal["constant"] = "constant"
    value: ScalarField

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: ARG002, D102
        return self.value

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value == self.value

    def nearest(self, value: Scalar) -> Scalar:  # noqa: ARG002, D102
        return self.value

    def boundary_values(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("value", self.value)]

    def all_values(self) -> list[Scalar]:  # noqa: D102
        return [self.value]

    def only_value(self) -> Scalar:  # noqa: D102
        return self.value

    def summary(self) -> str:  # noqa: D102
        return str(self.value)


class Choice(Domain):
    """One of several values, without an order."""

    distribution: Literal["categorical"] = "categorical"
    values: list[ScalarField] = Field(min_length=1)
    probabilities: list[float] | None = Field(
        None, description="The probability of each value; equal by default."
    )

    @model_validator(mode="after")
    def _check(self) -> "Choice":
        for index, value in enumerate(self.values):
            if value in self.values[:index]:
                raise ValueError(f"the value {value!r} is listed twice: remove one")
        if self.probabilities is not None:
            n_values, n_probabilities = len(self.values), len(self.probabilities)
            if n_probabilities != n_values:
                raise ValueError(f"{n_values} values need {n_values} probabilities, not {n_probabilities}")
            if min(self.probabilities) < MIN_PROBABILITY or abs(sum(self.probabilities) - 1) > 1e-6:
                raise ValueError(f"probabilities must be at least {MIN_PROBABILITY:g} and add up to 1")
        return self

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        if self.probabilities is None:
            return cast("Scalar", trial.suggest_categorical(name, self.values))
        probability = trial.suggest_float(name, 0, 1)
        return next((value for value, end in self._cumulative() if probability < end), self.values[-1])

    def optuna_value(self, value: Scalar) -> Scalar:  # noqa: D102
        if self.probabilities is None:
            return value
        index = self.values.index(value)
        return sum(self.probabilities[:index]) + self.probabilities[index] / 2

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return value in self.values

    def nearest(self, value: Scalar) -> Scalar:  # noqa: D102
        if self.contains(value):
            return value
        return min(self.values, key=lambda each: abs(cast("float", each) - cast("float", value)))

    def boundary_values(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("values", value) for value in self.values]

    def all_values(self) -> list[Scalar]:  # noqa: D102
        return list(self.values)

    def only_value(self) -> Scalar | None:  # noqa: D102
        return self.values[0] if len(self.values) == 1 else None

    def summary(self) -> str:  # noqa: D102
        if self.probabilities is None:
            return ", ".join(map(str, self.values))
        pairs = zip(self.values, self.probabilities, strict=True)
        return ", ".join(f"{value} ({probability:.0%})" for value, probability in pairs)

    def _cumulative(self) -> Iterator[tuple[Scalar, float]]:
        end = 0.0
        for value, probability in zip(self.values, self.probabilities or (), strict=True):
            end += probability
            yield value, end


class Range(Domain):
    """The numbers from ``min`` to ``max``, both included."""

    min: float
    max: float

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be less than max {self.max:g}")
        return self

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int | float) and self.min <= value <= self.max

    def nearest(self, value: Scalar) -> Scalar:  # noqa: D102
        return min(max(cast("float", value), self.min), self.max)

    def boundary_values(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("min", self.min), ("max", self.max)]

    def summary(self) -> str:  # noqa: D102
        return f"{self.min:g} to {self.max:g}"


class Uniform(Range):
    """A real number with a uniform distribution."""

    distribution: Literal["uniform"] = "uniform"

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max)


class LogUniform(Range):
    """A positive real number with a uniform distribution of its logarithm."""

    distribution: Literal["log_uniform_values"]
    min: float = Field(gt=0)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_float(name, self.min, self.max, log=True)

    def summary(self) -> str:  # noqa: D102
        return f"{super().summary()}, logarithmic"


class _Quantized(Range):
    """The multiples of ``q`` from ``min`` to ``max``."""

    q: float = Field(1.0, gt=0, description="Every value is a multiple of q.")

    @model_validator(mode="after")
    def _check_multiples(self) -> "_Quantized":
        if (self.max - self.min) / self.q > MAX_MULTIPLES:
            raise ValueError(
                f"q {self.q:g} is too small, because more than {MAX_MULTIPLES:,} multiples lie from min to"
                " max: type a larger q"
            )
        first, last = self._index_range()
        if first >= last:
            is_given = "q" in self.model_fields_set
            raise ValueError(
                f"fewer than two multiples of q {self.q:g}{'' if is_given else ', the default,'} lie from"
                f" {self.min:g} to {self.max:g}: give q{' a smaller value' if is_given else ''}, for example"
                f" q: {self._fitting_q():g}, or type a wider range"
            )
        return self

    def contains(self, value: Scalar | None) -> bool:
        return super().contains(value) and abs(cast("float", value) / self.q % 1 - 0.5) > 0.5 - 1e-6

    def nearest(self, value: Scalar) -> Scalar:
        first, last = self._index_range()
        return self._multiple(min(max(round(cast("float", value) / self.q), first), last))

    def boundary_values(self) -> list[tuple[str, Scalar]]:
        first, last = self._index_range()
        return [("min", self._multiple(first)), ("max", self._multiple(last))]

    def all_values(self) -> list[Scalar] | None:
        first, last = self._index_range()
        if last - first >= MAX_LISTED:
            return None
        return [self._multiple(index) for index in range(first, last + 1)]

    def summary(self) -> str:
        return f"{super().summary()}, multiples of {self.q:g}"

    def _index_range(self, q: float | None = None) -> tuple[int, int]:
        """Return the first and the last multiple, in units of ``q``."""
        q = q or self.q
        return ceil(self.min / q - 1e-9), floor(self.max / q + 1e-9)

    def _fitting_q(self) -> float:
        """Return a power of ten with two or more multiples in the range, for advice."""
        power = floor(log10(self.min if self.min > 0 else (self.max - self.min) / 10))
        while (ends := self._index_range(10.0**power))[0] >= ends[1]:
            power -= 1
        return 10.0**power

    def _multiple(self, index: int) -> float:
        return index * int(self.q) if self.q.is_integer() else float(f"{index * self.q:.12g}")


class QUniform(_Quantized):
    """A multiple of ``q`` with a uniform distribution."""

    distribution: Literal["q_uniform"]

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return self._multiple(trial.suggest_int(name, *self._index_range()))

    def optuna_value(self, value: Scalar) -> Scalar:  # noqa: D102
        return round(cast("float", value) / self.q)


class QLogUniform(_Quantized):
    """A multiple of ``q`` with a uniform distribution of its logarithm."""

    distribution: Literal["q_log_uniform_values"]
    min: float = Field(gt=0)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return self.nearest(trial.suggest_float(name, self.min, self.max, log=True))

    def summary(self) -> str:  # noqa: D102
        return f"{super().summary()}, logarithmic"


class Normal(Domain):
    """A real number with a normal distribution, truncated four standard deviations from its mean."""

    distribution: Literal["normal"]
    mu: float = Field(0.0, description="The mean.")
    sigma: float = Field(1.0, gt=0, description="The standard deviation.")
    _TAIL: ClassVar[float] = NormalDist().cdf(-MAX_SIGMAS)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        probability = trial.suggest_float(name, self._TAIL, 1 - self._TAIL)
        decimals = 9 - floor(log10(self.sigma))
        return round(NormalDist(self.mu, self.sigma).inv_cdf(probability), decimals)

    def optuna_value(self, value: Scalar) -> Scalar:  # noqa: D102
        return NormalDist(self.mu, self.sigma).cdf(cast("float", value))

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int | float) and abs(value - self.mu) <= MAX_SIGMAS * self.sigma

    def nearest(self, value: Scalar) -> Scalar:  # noqa: D102
        low, high = self._limits()
        return min(max(cast("float", value), low), high)

    def boundary_values(self) -> list[tuple[str, Scalar]]:  # noqa: D102
        return [("mu", float(f"{limit:.6g}")) for limit in self._limits()]

    def summary(self) -> str:  # noqa: D102
        return f"normal, {self.mu:g} ± {self.sigma:g}"

    def _limits(self) -> tuple[float, float]:
        return self.mu - MAX_SIGMAS * self.sigma, self.mu + MAX_SIGMAS * self.sigma


class IntUniform(Range):
    """A whole number from ``min`` to ``max``, both included, with a uniform distribution."""

    distribution: Literal["int_uniform"] = "int_uniform"
    min: int = Field(ge=-(2**63), lt=2**63)
    max: int = Field(ge=-(2**63), lt=2**63)

    def suggest(self, trial: "optuna.trial.BaseTrial", name: str) -> Scalar:  # noqa: D102
        return trial.suggest_int(name, self.min, self.max)

    def contains(self, value: Scalar | None) -> bool:  # noqa: D102
        return isinstance(value, int) and super().contains(value)

    def all_values(self) -> list[Scalar] | None:  # noqa: D102
        return list(range(self.min, self.max + 1)) if self.max - self.min < MAX_LISTED else None


DOMAINS: dict[str, type[Domain]] = {
    "categorical": Choice,
    "constant": Fixed,
    "int_uniform": IntUniform,
    "log_uniform_values": LogUniform,
    "normal": Normal,
    "q_log_uniform_values": QLogUniform,
    "q_uniform": QUniform,
    "uniform": Uniform,
}
"""The domains by the names of their distributions, which are W&B's."""


def _distribution(parameter: Any) -> str | None:  # noqa: ANN401 - a mapping or a domain
    """Return the name of a parameter's distribution; without one, W&B's rules infer it from the keys."""
    if not isinstance(parameter, Mapping):
        return str(parameter.distribution)
    if "distribution" in parameter:
        return str(parameter["distribution"])
    if "values" in parameter:
        return "categorical"
    if {"mu", "sigma"} & parameter.keys():
        return "normal"
    if {"min", "max"} & parameter.keys():
        is_whole = all(isinstance(parameter.get(key, 0), int) for key in ("min", "max"))
        return "int_uniform" if is_whole else "uniform"
    return "constant"


AnyDomain = Annotated[
    Annotated[Choice, Tag("categorical")]
    | Annotated[Fixed, Tag("constant")]
    | Annotated[IntUniform, Tag("int_uniform")]
    | Annotated[LogUniform, Tag("log_uniform_values")]
    | Annotated[Normal, Tag("normal")]
    | Annotated[QLogUniform, Tag("q_log_uniform_values")]
    | Annotated[QUniform, Tag("q_uniform")]
    | Annotated[Uniform, Tag("uniform")],
    Discriminator(
        _distribution,
        custom_error_type="unknown_distribution",
        custom_error_message=f"unknown distribution; allowed: {', '.join(DOMAINS)}",
    ),
]
"""A domain in a model: pydantic takes the class of the parameter's distribution."""
