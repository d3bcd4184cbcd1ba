"""The JSON Schema of search-space files, for editors that complete and check them."""

from typing import Any

from gan_core.config import TrialConfig
from sweeps.spec import GOALS, SweepSpec
from sweeps.wandb import RENAMED


def json_schema() -> dict[str, Any]:
    """Return the schema of what :func:`sweeps.spec.load_spec` reads, W&B's words included.

    It is made of the model, with what is read into the model's words added: one metric for a list of them,
    nested ``parameters``, ``bayes`` and ``run_cap``.
    """
    schema = SweepSpec.model_json_schema()
    properties, definitions = schema["properties"], schema["$defs"]
    definitions["Parameter"] = properties["parameters"]["additionalProperties"]
    definitions["Parameters"] = _parameters(properties["parameters"]["description"])
    properties["parameters"] = {"$ref": "#/$defs/Parameters"}
    properties["metric"] = {
        "description": properties["metric"]["description"],
        "anyOf": [{"enum": [*GOALS]}, {"$ref": "#/$defs/Metric"}, _without_title(properties["metric"])],
    }
    properties["method"]["enum"].append("bayes")
    for theirs, ours in RENAMED.items():
        properties[theirs] = {**properties[ours], "description": f"W&B's name of {ours}."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "gan-sweep search space",
    }


def _parameters(description: str) -> dict[str, Any]:
    group = {
        "type": "object",
        "description": "W&B's nested parameters: a way to write them in order.",
        "properties": {"parameters": {"$ref": "#/$defs/Parameters"}},
        "required": ["parameters"],
        "additionalProperties": False,
    }
    named = {
        name: {"$ref": "#/$defs/Parameter", "description": field.description}
        for name, field in TrialConfig.model_fields.items()
    }
    return {
        "type": "object",
        "description": description,
        "properties": named,
        "additionalProperties": group,
    }


def _without_title(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key in {"type", "items", "minItems"}}
