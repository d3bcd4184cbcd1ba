"""Build the JSON Schema of search-space files, with which editors complete and check them."""

from typing import Any

from gan_core.hyperparameters import Hyperparameters, config_class
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import GOALS
from sweeps.spec.wandb import ALIASES


def json_schema() -> dict[str, Any]:
    """Return the schema of the files that :func:`sweeps.spec.reading.load_spec` reads.

    To the schema of the model it adds what the reader translates: a single metric, nested ``parameters``,
    and W&B's ``bayes`` and ``run_cap``.
    """
    schema = SweepSpec.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    definitions["Parameter"] = _any_of(properties["parameters"]["additionalProperties"])
    definitions["Parameters"] = _parameters(properties["parameters"]["description"])
    properties["parameters"] = {"$ref": "#/$defs/Parameters"}
    a_metric = [{"enum": [*GOALS]}, {"$ref": "#/$defs/Metric"}]
    properties["metric"] = {
        "description": properties["metric"]["description"],
        "anyOf": [*a_metric, {"type": "array", "minItems": 1, "items": {"anyOf": a_metric}}],
    }
    properties["method"]["enum"].append("bayes")
    for alias, key in ALIASES.items():
        properties[alias] = {**properties[key], "description": f"W&B's name of {key}."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "gan-sweep search space",
    }


def _parameters(description: str) -> dict[str, Any]:
    group = {
        "type": "object",
        "description": "A group of parameters, as in W&B's nested files; it only arranges the file.",
        "properties": {"parameters": {"$ref": "#/$defs/Parameters"}},
        "required": ["parameters"],
        "additionalProperties": False,
    }
    known = Hyperparameters(config_class())
    named = {
        name: {"description": each.description, "anyOf": [{"$ref": "#/$defs/Parameter"}, group]}
        for name, each in known.items()
    }
    return {
        "type": "object",
        "description": description,
        "properties": named,
        "patternProperties": {rf"^({'|'.join(known.registries)})\.": {"$ref": "#/$defs/Parameter"}},
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
