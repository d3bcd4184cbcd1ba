"""A search-space file with its overrides: its translated content, and where each value was typed."""

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from sweeps.errors import Fault, KeyPath, SpecError
from sweeps.spec.other_tools import foreign_search
from sweeps.spec.overrides import Override, apply
from sweeps.spec.synonyms import name_here
from sweeps.spec.training import readable_hyperparameters
from sweeps.spec.wandb import (
    ALIASES,
    DISTRIBUTIONS,
    UNSUPPORTED_IN_SECTIONS,
    UNSUPPORTED_KEYS,
    flatten,
    keys_beside_groups,
)
from sweeps.spec.wandb_distributions import unsupported_distribution
from sweeps.spec.whole_numbers import as_whole_numbers, with_whole_numbers
from sweeps.spec.yaml_text import empty_mapping, pairs, position, read_yaml


class Source:
    """A file and the overrides that replace some of its values.

    Args:
        file: The path of the file.
        content: The content of the file; W&B's keys, nesting and single metric are translated.
        root: The YAML nodes of the file.
        overrides: The values that replace some of the content.

    Attributes:
        file: The path of the file.
        content: The translated content, without the keys and parameters that :meth:`faults` refuses.
        hyperparameters: The hyperparameters that the file can name.
    """

    def __init__(
        self, file: Path, content: dict[str, Any], root: Node, overrides: Sequence[Override]
    ) -> None:
        self.content = content
        self.file = file
        self._root = root
        self._overrides = overrides
        self._typed_paths: dict[KeyPath, KeyPath] = {}
        self._faults: list[Fault] = []
        self.hyperparameters = readable_hyperparameters(None, {})
        for override in overrides:
            apply(override, content)
        self._translate()

    @classmethod
    def read(cls, file: Path, overrides: Sequence[Override] = ()) -> "Source":
        """Read a YAML 1.2 file.

        Raises:
            SpecError: The file cannot be read, is not YAML, is not a mapping, or has a key that is not a
                string; or an override does not fit its content.
        """
        return cls(file, *read_yaml(file), overrides)

    @classmethod
    def from_mapping(cls, content: Mapping[str, Any], overrides: Sequence[Override] = ()) -> "Source":
        """Use a mapping as the content of a file; the place of a fault is its key in the mapping.

        Raises:
            SpecError: An override does not fit the content.
        """
        items = [Override(f"spec[{key!r}]", (key,), value) for key, value in content.items()]
        return cls(Path("spec"), {}, empty_mapping(), [*items, *overrides])

    def faults(self) -> list[Fault]:
        """Return a fault for each unsupported key of W&B's, and for each duplicated key."""
        return self._faults

    def fault(self, path: KeyPath, message: str, *, of_key: bool = False) -> Fault:
        """Return a fault of the value at ``path``, or of its key."""
        return Fault(self.place(path, of_key=of_key), message, path)

    def module_beside(self, name: str) -> Path | None:
        """Return the module or package of this name in the file's folder, if Python does not find one.

        Nothing is imported.
        """
        if not (name.isidentifier() and self.file.is_file()) or name in sys.modules or find_spec(name):
            return None
        folder = self.file.parent
        return next((each for each in (folder / f"{name}.py", folder / name) if each.exists()), None)

    def place(self, path: KeyPath, *, of_key: bool = False) -> str:
        """Return where the value at ``path`` was typed, or its key, or else the closest enclosing value."""
        path = self.as_typed(path)
        is_new = bool(path) and self._node(path[:1], of_key=True) is self._root
        for override in reversed(self._overrides):
            is_replaced = path[: len(override.path)] == override.path
            is_changed_within = override.path[: len(path)] == path and (len(path) > 1 or is_new)
            if is_replaced or is_changed_within:
                return override.place
        return position(self.file, self._node(path, of_key=of_key).start_mark)

    def as_typed(self, path: KeyPath) -> KeyPath:
        """Return the path in the file of the value at ``path`` in the translated content."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._typed_paths:
                return self._typed_paths[path[:length]] + path[length:]
        return path

    def order(self, fault: Fault) -> tuple[int, ...]:
        """Return a key that sorts faults by line and column; those of overrides come last."""
        numbers = re.search(r":(\d+):(\d+)$", fault.place)
        return tuple(map(int, numbers.groups())) if numbers else (10**9,)

    def _translate(self) -> None:
        """Translate W&B's keys, and keep the path at which each translated value was typed."""
        self._refuse_unsupported()
        self._rename_keys()
        if "metric" in self.content:
            self.content["metric"] = self._metrics(self.content["metric"])
        if isinstance(self.content.get("parameters"), dict):
            try:
                self.content["parameters"] = self._flat_parameters(self.content["parameters"])
            except RecursionError:
                place = self.place(("parameters",))
                raise SpecError([Fault(place, "an alias refers to a mapping that contains it")]) from None
        if isinstance(self.content.get("points"), list):
            known = self.hyperparameters
            self.content["points"] = [as_whole_numbers(point, known) for point in self.content["points"]]

    def _refuse_unsupported(self) -> None:
        """Refuse W&B's keys without a counterpart."""
        for key, message in UNSUPPORTED_KEYS.items():
            if key in self.content:
                self._refuse((key,), f"{key} is not supported: {message}")
                del self.content[key]
        for (section, key), message in UNSUPPORTED_IN_SECTIONS.items():
            content = self.content.get(section)
            if isinstance(content, dict) and key in content:
                self._refuse((section, key), f"{key} is not supported: {message}", of_key=True)
                self.content[section] = {each: value for each, value in content.items() if each != key}

    def _rename_keys(self) -> None:
        for alias, key in ALIASES.items():
            if alias in self.content:
                if key in self.content:
                    self._refuse((alias,), f"{alias} is W&B's name of {key}: remove one of the two")
                self.content[key] = self.content.pop(alias)
                self._typed_paths[(key,)] = (alias,)

    def _metrics(self, metrics: Any) -> Any:  # noqa: ANN401 - any value of the file
        """Return one metric as a list of one metric, and a string as a metric of that name."""
        if isinstance(metrics, dict | str):
            self._typed_paths["metric", 0] = ("metric",)
            metrics = [metrics]
        if not isinstance(metrics, list):
            return metrics
        for index, metric in enumerate(metrics):
            if isinstance(metric, str):
                self._typed_paths["metric", index, "name"] = self.as_typed(("metric", index))
        return [{"name": metric} if isinstance(metric, str) else metric for metric in metrics]

    def _flat_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters without groups and without those that are refused."""
        for path in keys_beside_groups(parameters, ("parameters",)):
            message = f"unknown key {path[-1]!r}; allowed in a group of parameters: parameters"
            self._refuse(path, message, of_key=True)
        found = [*flatten(parameters, ("parameters",))]
        known = readable_hyperparameters(
            self.content.get("train"), {name: parameter for name, parameter, _ in found}
        )
        self.hyperparameters = known
        flat: dict[str, Any] = {}
        for name, parameter, path in found:
            foreign = foreign_search(name, parameter, known)
            is_mapping = isinstance(parameter, dict)
            unsupported = unsupported_distribution(name, parameter, known) if is_mapping else None
            if unsupported and name not in known and (here := name_here(name, known)) in known:
                unsupported += f"; the parameter is called {here} here"
            if foreign:
                self._refuse(path, foreign)
            elif unsupported:
                self._refuse((*path, "distribution"), unsupported)
            elif name in flat:
                other = ".".join(map(str, self.as_typed(("parameters", name))))
                message = f"the parameter {name} is duplicated, its other place is {other}: remove one"
                self._refuse(path, message, of_key=True)
            else:
                flat[name] = with_whole_numbers(name, _with_own_distribution(parameter), known)
                self._typed_paths["parameters", name] = path
        return flat

    def _refuse(self, path: KeyPath, message: str, *, of_key: bool = False) -> None:
        self._faults.append(self.fault(path, message, of_key=of_key or len(path) == 1))

    def _node(self, path: KeyPath, *, of_key: bool) -> Node:
        """Return the node of the value at a typed path, or of its key, or else the closest enclosing key."""
        node, key_node = self._root, self._root
        for part in path:
            if isinstance(node, MappingNode):
                found = next((pair for pair in pairs(node) if pair[0].value == str(part)), None)
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                return key_node
            key_node, node = found
        return key_node if of_key else node


def _with_own_distribution(parameter: Any) -> Any:  # noqa: ANN401 - any value of the file
    """Return a parameter with this package's name of its distribution."""
    distribution = parameter.get("distribution") if isinstance(parameter, dict) else None
    if not isinstance(distribution, str) or distribution not in DISTRIBUTIONS:
        return parameter
    return parameter | {"distribution": DISTRIBUTIONS[distribution]}
