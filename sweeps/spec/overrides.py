"""Overrides: values from the command line or from Python that replace those of a search-space file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from gan_core.hyperparameters import Hyperparameters, config_of
from sweeps.errors import Fault, SpecError
from sweeps.spec.domains import DOMAINS, Choice, Domain, Fixed
from sweeps.spec.wandb import ALIASES
from sweeps.spec.yaml_text import YAML_ERRORS, loader

TEXT_KEYS = {("name",), ("dataset",), ("description",)}
PARAMETERS = "parameters"


@dataclass(frozen=True)
class Override:
    """A value that replaces one of a file.

    Args:
        place: What the user typed, for messages: ``--set parameters.steps=500``.
        path: The keys that lead to the value: ``("parameters", "steps")``.
        value: The value.
    """

    place: str
    path: tuple[str, ...]
    value: Any


def parse_setting(setting: str) -> Override:
    """Return the override that ``KEY=VALUE`` describes: a dotted key, and a value in YAML.

    Where text belongs, ``VALUE`` is the text as it is: ``description=a # b``, ``name=010``. Elsewhere, what
    YAML would read as a comment or a date is text, too.

    Raises:
        SpecError: There is no key or no ``=``, or the value is not YAML.
    """
    place = f"--set {setting}"
    key, equals, text = setting.partition("=")
    if not equals or not re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", key):
        raise SpecError([Fault(place, "expected KEY=VALUE, for example parameters.steps=500")])
    path = path_of(key)
    is_text = _takes_text(path)
    try:
        value = _value(text)
    except YAML_ERRORS:
        if not is_text:
            raise SpecError([Fault(place, f"{text[:80]!r} is not a YAML value")]) from None
        value = text
    is_quoted = isinstance(value, str) and text.strip()[:1] in {"'", '"'}
    is_collection = (
        path[0] == PARAMETERS and isinstance(value, list | Mapping) and text.strip()[:1] in {"{", "["}
    )
    return Override(place, path, value if is_quoted or is_collection or not is_text else text)


def _value(text: str) -> Any:  # noqa: ANN401 - any YAML value
    """Return the YAML value of a text; a comment or a date makes the whole text a string."""
    value, node = loader().load(text), loader().compose(text)
    has_comment = node is not None and bool(text[node.end_mark.index :].strip())
    return text if has_comment or isinstance(value, date) else value


def _takes_text(path: tuple[str, ...]) -> bool:
    """Return whether text belongs at a path of a search-space file."""
    if path[0] != PARAMETERS:
        return path in TEXT_KEYS
    fields = config_of().model_fields
    is_text = len(path) > 1 and path[1] in fields and isinstance(fields[path[1]].default, str)
    return is_text and path[2:] in {(), ("value",)}


def path_of(key: str) -> tuple[str, ...]:
    """Return the keys of a dotted key; the parameter of a component is one key.

    >>> path_of("parameters.steps.value"), path_of("parameters.architecture.width")
    (('parameters', 'steps', 'value'), ('parameters', 'architecture.width'))
    """
    section, *names = key.split(".")
    if section == "parameters" and len(names) > 1 and names[1] not in _keys_below(names[0]):
        names[:2] = [f"{names[0]}.{names[1]}"]
    return (section, *names)


def _keys_below(name: str) -> set[str]:
    """Return the keys that a parameter may have; one that names a component is a choice or fixed."""
    kinds: list[type[Domain]] = (
        [Choice, Fixed] if name in Hyperparameters(config_of()).registries else [*DOMAINS.values()]
    )
    return {"parameters", *(key for kind in kinds for key in kind.model_fields)}


def apply(override: Override, content: dict[str, Any]) -> None:
    """Set an override's value in a file's content; a value of ``trials`` also replaces ``run_cap``.

    Raises:
        SpecError: A key on the override's path has a value that is not a mapping, or a key of the value is
            not a string.
    """
    for key in (*override.path, *_keys(override.value)):
        if not isinstance(key, str):
            raise SpecError([Fault(override.place, f"the key {key!r} is not a string: quote it")])
    parent = content
    for alias, key in ALIASES.items():
        if override.path == (key,):
            content.pop(alias, None)
    for key in override.path[:-1]:
        child = parent.get(key, {})
        if not isinstance(child, dict):
            raise SpecError([Fault(override.place, f"{key} is {child!r}: expected a mapping")])
        parent[key] = dict(child)
        parent = parent[key]
    parent[override.path[-1]] = override.value


def _keys(value: object) -> Iterator[object]:
    """Yield the keys of a value's mappings; a mapping may contain itself."""
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
            yield from each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
