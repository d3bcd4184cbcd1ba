"""The JSON Schema of search-space files, for editors that complete and check them."""

from typing import Any

from gan_core.config import TrialConfig
from sweeps.spec.model import SweepSpec
from sweeps.spec.sections import GOALS
from sweeps.spec.wandb import RENAMED


def json_schema() -> dict[str, Any]:
    """Return the schema of what :func:`sweeps.spec.reading.load_spec` reads, W&B's words included.

    It is made of the model, with what is read into the model's words added: one metric for a list of them,
    nested ``parameters``, ``bayes`` and ``run_cap``.
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
        name: {"description": field.description, "anyOf": [{"$ref": "#/$defs/Parameter"}, group]}
        for name, field in TrialConfig.model_fields.items()
    }
    return {
        "type": "object",
        "description": description,
        "properties": named,
        "additionalProperties": group,
    }


def _any_of(schema: Any) -> Any:  # noqa: ANN401 - a JSON value
    """Return a schema whose alternatives may overlap: a range of whole numbers is one of real ones too."""
    if isinstance(schema, dict):
        return {
            "anyOf" if key == "oneOf" else key: _any_of(each)
            for key, each in schema.items()
            if key != "discriminator"
        }
    return [_any_of(each) for each in schema] if isinstance(schema, list) else schema
