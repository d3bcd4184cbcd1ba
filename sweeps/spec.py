"""A search-space file: read, checked as a whole, and frozen."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from gan_core.config import TrialConfig
from gan_core.datasets import FOLDER, check_dataset
from gan_core.errors import allowed_and_closest
from sweeps.errors import Fault, SpecError
from sweeps.space import Choice, Domain, Fixed, IntUniform, LogUniform, Scalar, ScalarField, Uniform

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
MOST_GPUS = 64
LONGEST_VALUE = 60
WORD_TAGS = {"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"}
RESERVED_NAMES = {"mlflow.db", "mlflow.lock", "mlartifacts", "README.md"}

Path_ = tuple[str | int, ...]

_YAML_ERRORS = (YAMLError, ArithmeticError, LookupError, RecursionError, ValueError)
"""What ruamel.yaml raises: for what is not YAML, for scalars that their tags deny, for deep nesting."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _refuse_gan_losses(name: str) -> str:
    if name in {"d_loss", "g_loss"}:
        raise ValueError("a GAN loss says nothing of the samples; allowed: fid")
    if name != "fid":
        raise ValueError("unknown metric; allowed: fid")
    return name


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

    name: Annotated[str, AfterValidator(_refuse_gan_losses)] = Field(
        "fid", description="Fréchet distance to held-out images."
    )
    goal: Literal["minimize"] = Field("minimize", description="Less is better.")


class EarlyTerminate(_Section):
    """When a trial is stopped because others did better with as many reports."""

    type: Literal["asha", "none"] = Field("asha", description="ASHA (arXiv:1810.05934), or never stop early.")
    min_iter: int = Field(1, ge=1, description="Reports before a trial may be stopped.")
    eta: int = Field(3, ge=2, description="One in eta trials goes on at each rung.")


class Resources(_Section):
    """What one trial runs on."""

    cpu: int = Field(1, ge=1, le=4096, description="Cores, and torch threads, of a trial.")
    gpu: Annotated[Literal["auto"] | float, PlainValidator(_check_gpu)] = Field(
        "auto", description="GPUs of a trial; auto is one where there are any."
    )


def _as_domain(parameter: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    """Read a bare scalar as a fixed value: ``steps: 500`` is ``steps: {value: 500}``."""
    return {"value": parameter} if isinstance(parameter, Scalar) else parameter


def _check_mapping(parameter: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
    if not isinstance(parameter, Mapping | BaseModel):
        raise ValueError("a parameter is a value, or a mapping with value, values, or min and max")  # noqa: TRY004
    return parameter


Parameter = Annotated[Domain, BeforeValidator(_check_mapping), BeforeValidator(_as_domain)]


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
    method: Literal["tpe", "random"] = Field("tpe", description="What chooses the next configuration.")
    extractor: Literal["classifier", "inception"] = Field(
        "classifier",
        description="What images are compared by: a small classifier of theirs, or Inception v3.",
    )
    metric: Metric = Field(default_factory=Metric)
    trials: int = Field(24, ge=1, le=10**6, description="Configurations to train.")
    seed: int = Field(0, ge=0, lt=2**31, description="Fixes the suggestions and every trial's own seed.")
    parameters: dict[str, Parameter] = Field(description="Each trial parameter's value or values.")
    early_terminate: EarlyTerminate = Field(default_factory=EarlyTerminate)
    stop_on: list[Literal["collapse", "discriminator-won"]] = Field(
        default=[], description="Flags that stop a trial; they are always recorded."
    )
    points: list[dict[str, ScalarField]] = Field(
        default=[{}], description="Tried first; what a point leaves out has the seed tutorial's default."
    )
    resources: Resources = Field(default_factory=Resources)

    @field_validator("image_size", "channels")
    @classmethod
    def _check_folder(cls, value: int | None, others: ValidationInfo) -> int | None:
        dataset = others.data.get("dataset", FOLDER)
        if value is not None and not dataset.startswith(FOLDER):
            raise ValueError(f"only a dataset {FOLDER}PATH has it, {dataset} has its own: leave it out")
        return value

    @property
    def data(self) -> dict[str, Any]:
        """The arguments of :func:`gan_core.load_dataset`."""
        return {"name": self.dataset, "image_size": self.image_size, "channels": self.channels}

    @property
    def searched(self) -> dict[str, Domain]:
        """The parameters that differ between trials."""
        return {name: domain for name, domain in self.parameters.items() if not isinstance(domain, Fixed)}

    @property
    def baseline(self) -> dict[str, Scalar]:
        """The searched parameters at the seed tutorial's defaults."""
        return {
            name: value
            for name, value in TrialConfig(**self._fixed).model_dump().items()
            if name in self.searched
        }

    def first_points(self) -> list[dict[str, Scalar]]:
        """Return the points to try first, whole: always the baseline, then those of the file."""
        points = [self.baseline] + [self.baseline | point for point in self.points]
        return [point for index, point in enumerate(points) if point not in points[:index]]

    def trial_config(self, params: Mapping[str, Scalar], number: int) -> TrialConfig:
        """Return the whole configuration of trial ``number`` with the searched parameters ``params``."""
        digest = sha256(f"{self.seed}/{number}".encode()).digest()
        return TrialConfig.model_validate(
            {"seed": int.from_bytes(digest[:4], "big"), **self._fixed, **params}
        )

    def values_of(self, name: str) -> list[Scalar]:
        """Return what a parameter without a range may be in a trial, the baseline's value first."""
        first = self.trial_config(self.baseline, 0).model_dump()[name]
        listed = [value for _, value in self.parameters[name].extremes()] if name in self.parameters else []
        return list(dict.fromkeys([first, *listed]))

    @property
    def _fixed(self) -> dict[str, Any]:
        return {name: domain.value for name, domain in self.parameters.items() if isinstance(domain, Fixed)}

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
        default: int = TrialConfig.model_fields[name].default
        domain = self.parameters.get(name, Fixed(value=default))
        return [int(value) for _, value in domain.extremes()]


@dataclass(frozen=True)
class Override:
    """A value that replaces one of the file.

    Args:
        place: What the user typed, for messages: ``--set parameters.steps=500``.
        path: The keys that lead to the value: ``("parameters", "steps")``.
        value: The value.
    """

    place: str
    path: tuple[str, ...]
    value: Any


def parse_setting(setting: str) -> Override:
    """Read ``KEY=VALUE`` with a dotted key; the value is YAML.

    Raises:
        SpecError: There is no key, no ``=``, or the value is not YAML.
    """
    place = f"--set {setting}"
    key, equals, text = setting.partition("=")
    if not equals or not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
        raise SpecError([Fault(place, "expected KEY=VALUE, such as parameters.steps=500")])
    try:
        value = _yaml().load(text)
    except _YAML_ERRORS:
        raise SpecError([Fault(place, f"{text[:80]!r} is not a YAML value")]) from None
    return Override(place, tuple(key.split(".")), value)


def check_name(name: str | None) -> None:
    """Check a sweep's name as it was given with ``--name``.

    Raises:
        SpecError: It cannot be a folder's name.
    """
    try:
        _check_name(name or "free")
    except ValueError as error:
        raise SpecError([Fault(f"--name {name}", str(error))]) from None


def load_spec(file: Path | str, overrides: Sequence[Override] = ()) -> SweepSpec:
    """Read and check a search-space file.

    Args:
        file: A YAML 1.2 file.
        overrides: Values that replace those of the file, checked like them.

    Raises:
        SpecError: The file cannot be read or has faults: all of them are listed.
    """
    source = _Source.read(Path(file), overrides)
    faults = [*_shape_faults(source), *_parameter_faults(source)]
    if faults:
        raise SpecError(sorted(faults, key=source.order))
    spec = SweepSpec.model_validate(source.content)
    faults = list(_point_faults(spec, source))
    if faults:
        raise SpecError(faults)
    return spec


class _Source:
    """The content of a file under its overrides, and where each value of it stands."""

    def __init__(
        self, file: Path, content: dict[str, Any], root: Node, overrides: Sequence[Override]
    ) -> None:
        self.content = content
        self._file = file
        self._root = root
        self._overrides = overrides

    @classmethod
    def read(cls, file: Path, overrides: Sequence[Override]) -> "_Source":
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SpecError([Fault(str(file), "there is no such file")]) from None
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError([Fault(str(file), f"cannot be read: {error}")]) from None
        try:
            content, root = _yaml().load(text), _yaml().compose(text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
            problem = (error.problem or error.context or "cannot be read").splitlines()[0]
            raise SpecError([Fault(place, f"not YAML: {problem}")]) from None
        except _YAML_ERRORS as error:
            problem = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SpecError([Fault(f"{file}:1:1", f"not YAML that can be read: {problem}")]) from None
        if not isinstance(content, dict):
            raise SpecError([Fault(f"{file}:1:1", "expected a mapping with the keys name and parameters")])
        faults = [*_key_faults(file, root)]
        if faults:
            raise SpecError(faults)
        for override in overrides:
            _apply(override, content)
        return cls(file, content, root, overrides)

    def place(self, path: Path_, *, of_key: bool = False) -> str:
        """Return where the value at ``path`` stands, or its key, or the nearest that encloses it."""
        for override in reversed(self._overrides):
            replaced = path[: len(override.path)] == override.path
            changed_within = len(path) > 1 and override.path[: len(path)] == path
            if replaced or changed_within:
                return override.place
        mark = self._node(path, of_key=of_key).start_mark
        return f"{self._file}:{mark.line + 1}:{mark.column + 1}"

    def order(self, fault: Fault) -> tuple[int, ...]:
        """Sort faults by their line; those of overrides come last."""
        numbers = re.search(r":(\d+):(\d+)$", fault.place)
        return tuple(map(int, numbers.groups())) if numbers else (10**9,)

    def _node(self, path: Path_, *, of_key: bool) -> Node:
        node, key_node = self._root, self._root
        for part in path:
            if isinstance(node, MappingNode):
                found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                return key_node
            key_node, node = found
        return key_node if of_key else node


def _key_faults(file: Path, root: Node) -> Iterator[Fault]:
    """Yield the keys that are no words: every key of a spec is one. An alias may lead back to its anchor."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, MappingNode):
            waiting.extend(value for _, value in node.value)
            for key in (key for key, _ in node.value if key.tag not in WORD_TAGS):
                place = f"{file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                yield Fault(place, f"the key {key.value!r} is not a word")


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _apply(override: Override, content: dict[str, Any]) -> None:
    parent = content
    for key in override.path[:-1]:
        child = parent.setdefault(key, {})
        if not isinstance(child, dict):
            raise SpecError([Fault(override.place, f"{key} is not a mapping, it is {child!r}")])
        parent = child
    parent[override.path[-1]] = override.value


_KINDS: dict[str, type[BaseModel]] = {
    kind.__name__: kind for kind in (Fixed, Choice, Uniform, LogUniform, IntUniform)
}
_SECTIONS: dict[str, type[BaseModel]] = {
    "metric": Metric,
    "early_terminate": EarlyTerminate,
    "resources": Resources,
}


def _shape_faults(source: _Source) -> Iterator[Fault]:
    """Yield what the models find wrong: unknown and missing keys, wrong types, values out of range."""
    try:
        SweepSpec.model_validate(source.content)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield _fault(source, detail["loc"], detail["type"], detail["msg"], detail["input"])


def _fault(source: _Source, location: Path_, kind: str, message: str, value: Any) -> Fault:  # noqa: ANN401
    is_domain = location[0] == "parameters" and len(location) > 2 and location[2] in _KINDS
    path = location[:2] + location[3:] if is_domain else location
    key = str(path[-1])
    if kind == "extra_forbidden":
        return Fault(
            source.place(path, of_key=True),
            f"unknown key {key!r}; {allowed_and_closest(key, _allowed(location))}",
        )
    if kind == "missing":
        return Fault(source.place(path[:-1], of_key=True), f"missing key {key!r}")
    if kind == "model_type":
        message = f"expected a mapping with the keys {', '.join(_allowed((*location, '')))}"
    message = message.removeprefix("Value error, ")
    shown = f" is {_brief(value)}" if isinstance(value, Scalar | None) else ""
    dotted = ".".join(str(part) for part in path)
    return Fault(source.place(path), f"{dotted}{shown}: {message[0].lower()}{message[1:]}")


def _allowed(location: Path_) -> list[str]:
    """Return the keys that may stand where the last part of ``location`` does."""
    if location[0] == "parameters":
        kind = _KINDS[str(location[2])]
        return (
            list(kind.model_fields)
            if kind is not Fixed
            else [*Choice.model_fields, *Uniform.model_fields, "value"]
        )
    model = _SECTIONS.get(str(location[0]), SweepSpec) if len(location) > 1 else SweepSpec
    return list(model.model_fields)


def _brief(value: Scalar | None) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _parameter_faults(source: _Source) -> Iterator[Fault]:
    """Yield the parameters that no trial has, and the values that a trial would refuse."""
    parameters = source.content.get("parameters")
    if not isinstance(parameters, dict):
        return
    domain_of = TypeAdapter[Domain](Parameter)
    for name, raw in parameters.items():
        path: Path_ = ("parameters", name)
        if name not in TrialConfig.model_fields:
            closest = allowed_and_closest(str(name), TrialConfig.model_fields)
            yield Fault(source.place(path, of_key=True), f"unknown parameter {str(name)!r}; {closest}")
            continue
        try:
            domain = domain_of.validate_python(raw)
        except ValidationError:
            continue
        misfit = _misfit(name, domain)
        if misfit:
            yield Fault(source.place(path), misfit)
            continue
        for key, value in domain.extremes():
            message = _refusal(name, value)
            if message:
                yield Fault(_value_place(source, path, key, value), message)


def _misfit(name: str, domain: Domain) -> str | None:
    """Return what is wrong with a range of whole numbers for a real parameter, or the reverse."""
    kind = TrialConfig.model_fields[name].annotation
    if kind is int and isinstance(domain, Uniform | LogUniform):
        return f"{name} is a whole number: use distribution int_uniform, or values"
    if kind is float and isinstance(domain, IntUniform):
        return f"{name} is a real number: use distribution uniform, or write min: {domain.min}.0"
    return None


def _value_place(source: _Source, path: Path_, key: str, value: Scalar) -> str:
    raw = source.content["parameters"][path[-1]]
    if not isinstance(raw, dict):
        return source.place(path)
    if key == "values":
        return source.place((*path, key, raw[key].index(value)))
    return source.place((*path, key))


def _refusal(name: str, value: Scalar) -> str | None:
    """Return why a trial would refuse ``value`` for its parameter ``name``."""
    try:
        TrialConfig.model_validate({name: value})
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
        return f"{name} is {_brief(value)}: {message[0].lower()}{message[1:]}"
    return None


def _point_faults(spec: SweepSpec, source: _Source) -> Iterator[Fault]:
    """Yield the points that name what is not searched, or that lie outside of the space.

    The empty point is the baseline, which is tried wherever it lies.
    """
    for index, point in enumerate(spec.points):
        for name in point.keys() - spec.searched.keys():
            place = source.place(("points", index, name), of_key=True)
            yield Fault(place, f"{name!r} is not searched; {allowed_and_closest(name, spec.searched)}")
        if point.keys() - spec.searched.keys():
            continue
        for name, domain in spec.searched.items():
            value = point.get(name, spec.baseline[name])
            place = source.place(("points", index, name) if name in point else ("points", index))
            refusal = _refusal(name, value)
            if refusal:
                yield Fault(place, refusal)
            elif point and not domain.contains(value):
                left_out = "" if name in point else ", its default, as this point leaves it out"
                yield Fault(place, f"{name} is {_brief(value)}{left_out}: outside of what is searched")
