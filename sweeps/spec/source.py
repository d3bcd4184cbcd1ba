"""A search-space file as it was typed, under its overrides: its content, and where each value stands."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from sweeps.errors import Fault, SpecError
from sweeps.spec.wandb import REFUSED, RENAMED, Path_, beside_groups, flattened, refusal_of_distribution


def spec_as_yaml(spec: Mapping[str, Any]) -> str:
    """Return a spec, as a ledger holds it, as a search-space file that asks for the same sweep."""
    from ruamel.yaml import YAML

    stream = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.default_flow_style = None
    yaml.dump(_given(spec), stream)
    return stream.getvalue()


def _given(content: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Leave out what is not set."""
    if isinstance(content, Mapping):
        kept = {key: _given(value) for key, value in content.items() if value is not None and value != {}}
        if kept.keys() & {"value", "values"}:
            kept.pop("distribution")
        return kept["value"] if kept.keys() == {"value"} else kept
    return (
        [value if value == {} else _given(value) for value in content]
        if isinstance(content, list)
        else content
    )


MERGE_TAG = "tag:yaml.org,2002:merge"
WORD_TAGS = {"tag:yaml.org,2002:str", MERGE_TAG}

_YAML_ERRORS = (YAMLError, ArithmeticError, LookupError, RecursionError, ValueError)
"""What ruamel.yaml raises: for what is not YAML, for scalars that their tags deny, for deep nesting."""


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


class Source:
    """A file, and the overrides that replace some of its values.

    Args:
        file: Where it was read from.
        content: What it says in our own words: W&B's names, nesting and single metric are translated.
        root: Its YAML nodes.
        overrides: What replaced some of it.

    Attributes:
        content: As given, without what :meth:`faults` refuses.
    """

    def __init__(
        self, file: Path, content: dict[str, Any], root: Node, overrides: Sequence[Override]
    ) -> None:
        self.content = content
        self._file = file
        self._root = root
        self._overrides = overrides
        self._moved: dict[Path_, Path_] = {}
        self._faults: list[Fault] = []
        for override in overrides:
            _apply(override, content)
        self._translate()

    @classmethod
    def read(cls, file: Path, overrides: Sequence[Override] = ()) -> "Source":
        """Read a file of YAML 1.2.

        Raises:
            SpecError: It cannot be read, is not YAML, has keys that are no words, or is no mapping.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise SpecError([Fault(str(file), "there is no such file")]) from None
        except (OSError, ValueError) as error:
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
        return cls(file, content, root, overrides)

    def faults(self) -> list[Fault]:
        """Return what of W&B's cannot be honoured, or stands twice."""
        return self._faults

    def fault(self, path: Path_, message: str, *, of_key: bool = False) -> Fault:
        """Return that something is wrong with the value at ``path``, or with its key."""
        return Fault(self.place(path, of_key=of_key), message, path)

    def place(self, path: Path_, *, of_key: bool = False) -> str:
        """Return where the value at ``path`` stands, or its key, or the nearest that encloses it."""
        path = self.as_typed(path)
        for override in reversed(self._overrides):
            replaced = path[: len(override.path)] == override.path
            changed_within = len(path) > 1 and override.path[: len(path)] == path
            if replaced or changed_within:
                return override.place
        mark = self._node(path, of_key=of_key).start_mark
        return f"{self._file}:{mark.line + 1}:{mark.column + 1}"

    def as_typed(self, path: Path_) -> Path_:
        """Return where the value that is at ``path`` now was typed."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._moved:
                return self._moved[path[:length]] + path[length:]
        return path

    def order(self, fault: Fault) -> tuple[int, ...]:
        """Sort faults by their line; those of overrides come last."""
        numbers = re.search(r":(\d+):(\d+)$", fault.place)
        return tuple(map(int, numbers.groups())) if numbers else (10**9,)

    def _translate(self) -> None:
        """Bring W&B's words into ours, remembering where each value stood."""
        for key, message in REFUSED.items():
            if key in self.content:
                self._refuse((key,), f"{key} cannot be honoured: {message}")
                del self.content[key]
        for theirs, ours in RENAMED.items():
            if theirs in self.content:
                if ours in self.content:
                    self._refuse((theirs,), f"{theirs} is W&B's name of {ours}, which stands here too")
                self.content[ours] = self.content.pop(theirs)
                self._moved[(ours,)] = (theirs,)
        if "metric" in self.content:
            self.content["metric"] = self._metrics(self.content["metric"])
        if isinstance(self.content.get("parameters"), dict):
            try:
                self.content["parameters"] = self._flat_parameters(self.content["parameters"])
            except RecursionError:
                place = self.place(("parameters",))
                raise SpecError([Fault(place, "an alias in it leads back to its own anchor")]) from None

    def _metrics(self, metrics: Any) -> Any:  # noqa: ANN401 - whatever stands in the file
        """Return one metric as a list of one, and a word as the name of a metric."""
        if isinstance(metrics, dict | str):
            self._moved["metric", 0] = ("metric",)
            metrics = [metrics]
        if not isinstance(metrics, list):
            return metrics
        for index, metric in enumerate(metrics):
            if isinstance(metric, str):
                self._moved["metric", index, "name"] = self.as_typed(("metric", index))
        return [{"name": metric} if isinstance(metric, str) else metric for metric in metrics]

    def _flat_parameters(self, parameters: dict[str, Any]) -> dict[str, Any]:
        for path in beside_groups(parameters, ("parameters",)):
            message = f"unknown key {path[-1]!r} beside parameters: a group has nothing else"
            self._refuse(path, message, of_key=True)
        flat: dict[str, Any] = {}
        for name, parameter, path in flattened(parameters, ("parameters",)):
            refusal = refusal_of_distribution(parameter) if isinstance(parameter, dict) else None
            if refusal:
                self._refuse((*path, "distribution"), refusal)
            elif name in flat:
                other = ".".join(map(str, self.as_typed(("parameters", name))))
                message = f"{name} stands twice, here and as {other}: a trial's parameters have no groups"
                self._refuse(path, message, of_key=True)
            else:
                flat[name] = parameter
                self._moved["parameters", name] = path
        return flat

    def _refuse(self, path: Path_, message: str, *, of_key: bool = False) -> None:
        self._faults.append(self.fault(path, message, of_key=of_key or len(path) == 1))

    def _node(self, path: Path_, *, of_key: bool) -> Node:
        node, key_node = self._root, self._root
        for part in path:
            if isinstance(node, MappingNode):
                found = next((pair for pair in _pairs(node) if pair[0].value == str(part)), None)
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = (node.value[part], node.value[part])
            else:
                found = None
            if found is None:
                return key_node
            key_node, node = found
        return key_node if of_key else node


def _pairs(mapping: MappingNode) -> Iterator[tuple[Node, Node]]:
    """Yield the keys and values of a mapping, then those that are merged into it."""
    yield from mapping.value
    for key, value in mapping.value:
        if key.tag == MERGE_TAG:
            merged = value.value if isinstance(value, SequenceNode) else [value]
            for each in merged:
                yield from _pairs(each)


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
    """Set an override's value; one of ``trials`` replaces a ``run_cap`` of the file's."""
    parent = content
    for theirs, ours in RENAMED.items():
        if override.path == (ours,):
            content.pop(theirs, None)
    for key in override.path[:-1]:
        child = parent.get(key, {})
        if not isinstance(child, dict):
            raise SpecError([Fault(override.place, f"{key} is not a mapping, it is {child!r}")])
        parent[key] = dict(child)
        parent = parent[key]
    parent[override.path[-1]] = override.value
