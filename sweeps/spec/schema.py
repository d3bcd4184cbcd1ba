"""Build the JSON Schema of search-space files, with which editors complete and check them."""

from typing import Any

from gan_core.hyperparameters import Hyperparameters, config_of
from sweeps.spec.methods import SAMPLERS
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import GOALS
from sweeps.spec.wandb import ALIASES


def json_schema(known: Hyperparameters | None = None) -> dict[str, Any]:
    """Return the schema of the files that :func:`sweeps.spec.reading.load_spec` reads.

    To the schema of the model it adds what the reader translates: a single metric, nested ``parameters``,
    and W&B's ``bayes`` and ``run_cap``.

    Args:
        known: The hyperparameters that a file can name. By default, they are those of gan_core's own
            training, and a file with ``train`` can name any.
    """
    schema = SweepSpec.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    definitions["Parameter"] = _any_of(properties["parameters"]["additionalProperties"])
    definitions["Group"] = _group()
    definitions["Parameters"] = _parameters(known or Hyperparameters(config_of()))
    a_metric = [{"enum": [*GOALS]}, {"$ref": "#/$defs/Metric"}]
    properties["metric"] = {
        "description": properties["metric"]["description"],
        "anyOf": [*a_metric, {"type": "array", "minItems": 1, "items": {"anyOf": a_metric}}],
    }
    properties["method"] = {
        "default": properties["method"]["default"],
        "description": properties["method"]["description"],
        "anyOf": [{"enum": [*SAMPLERS, "bayes"]}, {"type": "string", "pattern": ":"}],
    }
    for alias, key in ALIASES.items():
        properties[alias] = {**properties[key], "description": f"W&B's name of {key}."}
    properties["parameters"] = {"type": "object", "description": properties["parameters"]["description"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "gan-sweep search space",
        **_parameters_by_training(is_known=known is not None),
    }


def _parameters_by_training(*, is_known: bool) -> dict[str, Any]:
    """Return the rule for ``parameters``; those of a training that is not known may have any name."""
    own = {"properties": {"parameters": {"$ref": "#/$defs/Parameters"}}}
    if is_known:
        return {"allOf": [own]}
    named = [{"$ref": "#/$defs/Parameter"}, {"$ref": "#/$defs/Group"}]
    any_name = {"properties": {"parameters": {"additionalProperties": {"anyOf": named}}}}
    return {"if": {"required": ["train"]}, "then": any_name, "else": own}


def _group() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A group of parameters, as in W&B's nested files; it only arranges the file.",
        "properties": {"parameters": {"$ref": "#/$defs/Parameters"}},
        "required": ["parameters"],
        "additionalProperties": False,
    }


def _parameters(known: Hyperparameters) -> dict[str, Any]:
    parameter, group = {"$ref": "#/$defs/Parameter"}, {"$ref": "#/$defs/Group"}
    named = {
        name: {"description": each.description, "anyOf": [parameter, group]}
        if each.description
        else {"anyOf": [parameter, group]}
        for name, each in known.items()
    }
    of_components = {rf"^({'|'.join(known.registries)})\.": parameter} if known.registries else {}
    return {
        "type": "object",
        "properties": named,
        "patternProperties": of_components,
        "additionalProperties": group,
    }


def _any_of(schema: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return a schema in which alternatives may overlap: a range of integers is also one of real numbers."""
    if isinstance(schema, dict):
        return {
            "anyOf" if key == "oneOf" else key: _any_of(each)
            for key, each in schema.items()
            if key != "discriminator"
        }
    return [_any_of(each) for each in schema] if isinstance(schema, list) else schema
