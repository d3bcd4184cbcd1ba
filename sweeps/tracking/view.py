"""How MLflow's pages show a sweep whose link is followed: the state that they keep of a shared view."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from gan_core.config import TrialConfig

VIEW = "gan-sweep"
"""The key of the view among those of an experiment."""

CARD_PX = 720
"""How high samples are shown."""


def view(spec: Mapping[str, Any]) -> str:
    """Return which columns and charts MLflow's pages show of the sweep's runs, the best of them first."""
    metric, goal = spec["metric"][0]["name"], spec["metric"][0]["goal"]
    searched = [name for name, given in spec.get("parameters", {}).items() if given.get("value") is None]
    scores = [f"best_{metric}", f"final_{metric}", *({"fid", "kid"} - {metric})]
    columns = [
        *(f"metrics.`{name}`" for name in scores),
        "tags.`status`",
        *(f"params.`{name}`" for name in searched),
    ]
    order = {"orderByKey": f"metrics.`best_{metric}`", "orderByAsc": goal == "minimize"}
    return json.dumps({"selectedColumns": columns, **order, **_charts(spec)})


def _charts(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return MLflow's charts with the samples before the curves, as they are at the last step."""
    steps = spec.get("parameters", {}).get("steps", {}).get("value") or TrialConfig().steps
    section = {"display": True, "isReordered": False, "deleted": False}
    samples, curves = uuid4().hex, uuid4().hex
    return {
        "compareRunSections": [
            {**section, "uuid": samples, "name": "Samples", "columns": 1, "cardHeight": CARD_PX},
            {**section, "uuid": curves, "name": "Model metrics", "isGenerated": True},
        ],
        "compareRunCharts": [
            {
                "type": "IMAGE",
                "uuid": uuid4().hex,
                "metricSectionId": samples,
                "imageKeys": ["samples"],
                "step": steps,
                "showRunParams": False,
                "runsCountToCompare": 10,
                "deleted": False,
                "isGenerated": False,
            }
        ],
    }
