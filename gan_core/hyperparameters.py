"""The hyperparameters of a training: their types, ranges and defaults, as its code declares them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gan_core.component import check_declarations, default_of, rejection
from gan_core.component_config import joined, registries
from gan_core.config import TrialConfig
from gan_core.imports import import_attribute, is_import_path
from gan_core.loop_config import Changeable, LoopConfig, SameAs, UnusedWith

if TYPE_CHECKING:
    from gan_core.loops.declaration import Loop


@dataclass(frozen=True)
class Hyperparameter:
    """A hyperparameter, as one or several models declare it.

    Args:
        name: Its name in configs and files: ``lr``, or ``architecture.width`` for a component's parameter.
        key: The name of the field in the models.
        chosen_by: The hyperparameter that names the component; None if no component declares this one.
        models: The models that declare it. Those of a component's parameter are by the component's name: two
            components may declare the same name with different types, ranges and defaults.
    """

    name: str
    key: str
    chosen_by: str | None = None
    models: dict[str, type[BaseModel]] = field(default_factory=dict)

    @property
    def default(self) -> Any:  # noqa: ANN401 - the declaration chooses the type
        """The default of the first declaration."""
        return default_of(self._fields[0])

    @property
    def description(self) -> str | None:
        """The description of the first declaration."""
        return self._fields[0].description

    @property
    def is_changeable(self) -> bool:
        """Whether the hyperparameter may change during a training."""
        return all(Changeable in each.metadata for each in self._fields)

    @property
    def is_whole(self) -> bool:
        """Whether the hyperparameter is a whole number."""
        return all(_without_none(each.annotation) is int for each in self._fields)

    @property
    def is_real(self) -> bool:
        """Whether the hyperparameter is a real number."""
        return all(_without_none(each.annotation) is float for each in self._fields)

    @property
    def unused_with(self) -> dict[str, object]:
        """The values of other hyperparameters with which this one has no effect."""
        marks = [mark for each in self._fields for mark in each.metadata if isinstance(mark, UnusedWith)]
        return {mark.name: mark.value for mark in marks}

    @property
    def same_as(self) -> str | None:
        """The hyperparameter that this one equals if it is None."""
        marks = [mark for each in self._fields for mark in each.metadata if isinstance(mark, SameAs)]
        return marks[0].name if marks else None

    def rejection(self, value: object) -> str | None:
        """Return why a training would reject ``value``, or None if it would not."""
        reasons = [(owner, rejection(model, self.key, value)) for owner, model in self.models.items()]
        owner, reason = next(((owner, each) for owner, each in reasons if each), ("", None))
        return f"{reason} ({owner})" if reason and len(self.models) > 1 else reason

    def limited_to(self, components: Collection[object]) -> "Hyperparameter":
        """Return this hyperparameter as these components declare it; unchanged if none of them does."""
        models = {owner: model for owner, model in self.models.items() if owner in components}
        return replace(self, models=models) if models else self

    @property
    def _fields(self) -> list[FieldInfo]:
        return [model.model_fields[self.key] for model in self.models.values()]


class Hyperparameters(Mapping[str, Hyperparameter]):
    """The hyperparameters of a training by name: the fields of its config, and its components' parameters.

    Args:
        config: The class of the config.
        chosen: The components that a sweep chooses among, by the field that names them.
        unreadable: The fields that name components besides these, which cannot be read; None if the training
            itself cannot be read, and any name may exist.

    Raises:
        GanCoreError: The parameters of a component cannot be read.

    >>> from gan_core import TrialConfig
    >>> Hyperparameters(TrialConfig)["lr"].default
    0.0003
    """

    def __init__(
        self,
        config: type[LoopConfig],
        chosen: Mapping[str, Sequence[str]] | None = None,
        unreadable: Collection[str] | None = (),
    ) -> None:
        self.config = config
        self.registries = registries(config)
        self._unreadable = unreadable
        self._all = {
            name: Hyperparameter(name, name, models={config.__name__: config}) for name in config.model_fields
        }
        for field_name, components in (chosen or {}).items():
            for component in components:
                self._add_parameters(field_name, component)

    def __getitem__(self, name: str) -> Hyperparameter:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def may_exist(self, name: str) -> bool:
        """Return whether ``name`` is a hyperparameter, or may be one of a component that cannot be read.

        The result is False only for a misspelt name, so that a fault of a component is not reported twice.
        """
        return name in self or self._unreadable is None or name.partition(".")[0] in self._unreadable

    @property
    def changeable(self) -> list[str]:
        """The hyperparameters that may change during a training."""
        return [name for name, each in self.items() if each.is_changeable]

    def defaults(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return all hyperparameters of a training with these ``values``; the others have their defaults.

        The config may have a rule for several hyperparameters together that these values break.
        """
        try:
            return self.config(**values).model_dump()
        except ValidationError:
            return self.config().model_dump() | dict(values)

    def _add_parameters(self, field_name: str, component: str) -> None:
        model = self.registries[field_name].parameters(component)
        for key in model.model_fields:
            name = joined(field_name, key)
            known = self._all.setdefault(name, Hyperparameter(name, key, chosen_by=field_name))
            known.models[component] = model


def config_of(train: str | None = None) -> type[LoopConfig]:
    """Return the class of a training's config.

    Args:
        train: The import path of a training loop; None for gan_core's own.

    Raises:
        GanCoreError: The import path does not lead to a training loop, or the loop declares a hyperparameter
            that has no default or is not a number, a string or a boolean.
    """
    if train is None:
        return TrialConfig
    from gan_core.loops.declaration import config_class

    config = config_class(named_loop(train))
    check_declarations(config, config.__name__)
    return config


def named_loop(train: str | None) -> "Loop":
    """Return the training loop with an import path; gan_core's own if it is None.

    Raises:
        ImportPathError: The import path is malformed, its module or attribute is missing, or importing fails.
        LoopError: What it leads to is not a training loop.
    """
    from gan_core.adversarial import train_gan
    from gan_core.loops.declaration import check_is_loop

    if train is None:
        return train_gan
    loop: Any = import_attribute(train)
    check_is_loop(loop)
    return cast("Loop", loop)


def can_resume(train: str | None) -> bool:
    """Return whether a training resumes from a checkpoint: a loop of a user needs the parameter ``state``.

    Raises:
        GanCoreError: As for :func:`named_loop`.
    """
    if train is None:
        return True
    from gan_core.loops.declaration import takes_state

    return takes_state(named_loop(train))


def named_code(config: Mapping[str, object]) -> list[str]:
    """Return the components of a recorded config that are a user's own, each as ``MODULE:NAME``."""
    named = [str(config.get(field)) for field in registries(TrialConfig)]
    return [name for name in named if is_import_path(name)]


def _without_none(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """Return the type T of ``T | None``, and any other type as it is."""
    if get_origin(annotation) in {Union, UnionType}:
        others = [each for each in get_args(annotation) if each is not type(None)]
        return others[0] if len(others) == 1 else annotation
    return annotation
