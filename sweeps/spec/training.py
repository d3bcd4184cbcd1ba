"""The hyperparameters that a search-space file can name: its training declares them in code."""

from collections.abc import Iterator, Mapping

from gan_core.errors import GanCoreError
from gan_core.hyperparameters import Hyperparameters, config_of
from gan_core.loop_config import LoopConfig
from sweeps.spec.domains import Domain


def check_loop_path(train: str) -> str:
    """Return ``train`` if it is the import path of a training loop.

    Raises:
        ValueError: It is not, or what the loop declares has a fault.
    """
    try:
        config_of(train)
    except GanCoreError as error:
        raise ValueError(str(error)) from error
    return train


def hyperparameters_of(train: str | None, parameters: Mapping[str, Domain]) -> Hyperparameters:
    """Return the hyperparameters of a sweep.

    Args:
        train: The import path of the training loop; None for gan_core's own.
        parameters: The domains of the parameters, of which those of components count.

    Raises:
        GanCoreError: The training loop, or the parameters of a component, cannot be read.
    """
    config = config_of(train)
    fields = Hyperparameters(config).registries
    return Hyperparameters(config, {name: [*chosen(name, config, parameters.get(name))] for name in fields})


def readable_hyperparameters(train: object, parameters: Mapping[str, object]) -> Hyperparameters:
    """Return the hyperparameters of a file that may have faults, without those that cannot be read.

    Args:
        train: The value of the file's key ``train``, of any type.
        parameters: The values of the file's key ``parameters``, by name.
    """
    try:
        config = config_of(None if train is None else str(train))
    except GanCoreError:
        return Hyperparameters(LoopConfig, unreadable=None)
    readable, unreadable = dict[str, list[str]](), set[str]()
    for field, registry in Hyperparameters(config).registries.items():
        readable[field] = []
        for name in chosen(field, config, parameters.get(field)):
            try:
                registry.parameters(name)
                readable[field].append(name)
            except GanCoreError:
                unreadable.add(field)
    return Hyperparameters(config, readable, unreadable)


def chosen(field: str, config: type[LoopConfig], parameter: object) -> Iterator[str]:
    """Yield the components that trials may have: those of a parameter, or else the default.

    A parameter with a condition is its default in the trials that do not meet the condition.

    Args:
        field: The hyperparameter that names the component.
        config: The class of the config.
        parameter: Its domain, or what the file has, which may have faults; None if the file has nothing.
    """
    given = parameter.model_dump() if isinstance(parameter, Domain) else parameter
    if given is None or (isinstance(given, Mapping) and given.get("when")):
        yield config.model_fields[field].default
    if isinstance(given, str):
        yield given
    elif isinstance(given, Mapping):
        values = given.get("values")
        listed = values if isinstance(values, list) else [given.get("value")]
        yield from (value for value in listed if isinstance(value, str))
