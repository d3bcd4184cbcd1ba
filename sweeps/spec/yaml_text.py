"""Read YAML 1.2 with the position of every value, and write a spec as a search-space file."""

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from sweeps.errors import Fault, SpecError

YAML_ERRORS = (YAMLError, ArithmeticError, LookupError, RecursionError, ValueError)
"""What ruamel.yaml raises for a text that is not YAML, a scalar that its tag forbids, and deep nesting."""

_MERGE_TAG = "tag:yaml.org,2002:merge"
_STRING_TAGS = {"tag:yaml.org,2002:str", _MERGE_TAG}


def loader() -> YAML:
    """Return a reader of YAML 1.2 that runs no code."""
    return YAML(typ="safe", pure=True)


def read_yaml(file: Path) -> tuple[dict[str, Any], Node]:
    """Return a file's content and its YAML nodes, which know their positions.

    Raises:
        SpecError: The file cannot be read, is not YAML, is not a mapping, or has a key that is not a string.
    """
    try:
        text = file.read_text(encoding="utf-8")
        if "\0" in text:
            raise UnicodeError  # noqa: TRY301 - UTF-16 without its mark can be read as UTF-8
    except FileNotFoundError:
        raise SpecError([Fault(str(file), "there is no such file")]) from None
    except UnicodeError:
        raise SpecError([Fault(str(file), "the text is not UTF-8: save the file as UTF-8")]) from None
    except (OSError, ValueError) as error:
        raise SpecError([Fault(str(file), f"cannot be read: {error}")]) from None
    try:
        content, root = loader().load(text), loader().compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = (error.problem or error.context or "cannot be read").splitlines()[0]
        raise SpecError(
            [Fault(position(file, mark) if mark else str(file), f"not YAML: {problem}")]
        ) from None
    except YAML_ERRORS as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SpecError([Fault(f"{file}:1:1", f"the YAML cannot be read: {problem}")]) from None
    if not isinstance(content, dict):
        raise SpecError([Fault(f"{file}:1:1", "expected a mapping with the keys name and parameters")])
    faults = [*_key_faults(file, root)]
    if faults:
        raise SpecError(faults)
    return content, root


def position(file: Path, mark: Any) -> str:  # noqa: ANN401 - ruamel.yaml has no types
    """Return a mark of a YAML file as ``FILE:LINE:COLUMN``, both counted from 1."""
    return f"{file}:{mark.line + 1}:{mark.column + 1}"


def pairs(mapping: MappingNode) -> Iterator[tuple[Node, Node]]:
    """Yield the keys and values of a mapping, then those of the mappings that ``<<`` merges into it."""
    yield from mapping.value
    for key, value in mapping.value:
        if key.tag == _MERGE_TAG:
            merged = value.value if isinstance(value, SequenceNode) else [value]
            for each in merged:
                yield from pairs(each)


def _key_faults(file: Path, root: Node) -> Iterator[Fault]:
    """Yield a fault for each key that is not a string; an alias may lead back to its own anchor."""
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
            for key in (key for key, _ in node.value if key.tag not in _STRING_TAGS):
                yield Fault(
                    position(file, key.start_mark), f"the key {key.value!r} is not a string: quote it"
                )


def spec_as_yaml(spec: Mapping[str, Any]) -> str:
    """Return the spec of a record as a search-space file that describes the same sweep."""
    stream = StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.default_flow_style = None
    yaml.dump(_without_unset(spec), stream)
    return stream.getvalue()


def _without_unset(content: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return a spec without its unset keys, and each fixed parameter as its bare value."""
    if isinstance(content, Mapping):
        kept = {
            key: _without_unset(value) for key, value in content.items() if value is not None and value != {}
        }
        if kept.keys() & {"value", "values"}:
            kept.pop("distribution")
        return kept["value"] if kept.keys() == {"value"} else kept
    if isinstance(content, list):
        return [value if value == {} else _without_unset(value) for value in content]
    return content


def empty_mapping() -> Any:  # noqa: ANN401 - ruamel.yaml has no types
    """Return the node of a file without keys."""
    return loader().compose("{}")
