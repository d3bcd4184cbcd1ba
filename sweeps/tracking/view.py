"""Define MLflow's view of a sweep: the columns and charts that a shared link opens."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from gan_core.loop_config import LoopConfig

VIEW = "gan-sweep"
"""The key under which an experiment keeps the view."""

CARD_PX = 720
"""The height of the samples' card."""


def view(facts: Mapping[str, Any]) -> str:
    """Return the view as JSON: the runs, the best first, with scores, status and searched parameters."""
    spec = facts["spec"]
    metric, goal = spec["metric"][0]["name"], spec["metric"][0]["goal"]
    searched = [name for name, given in spec.get("parameters", {}).items() if given.get("value") is None]
    scores = [f"best_{metric}", f"final_{metric}", *({"fid", "kid"} - {metric})]
    columns = [
        *(f"metrics.`{name}`" for name in scores),
        "tags.`status`",
        *(f"params.`{name}`" for name in searched),
    ]
    order = {"orderByKey": f"metrics.`best_{metric}`", "orderByAsc": goal == "minimize"}
    return json.dumps({"selectedColumns": columns, **order, **_charts(_most_steps(facts))})


def _most_steps(facts: Mapping[str, Any]) -> int:
    """Return the most steps of a trial; records of earlier versions have them only in the spec."""
    in_spec = facts["spec"].get("parameters", {}).get("steps", {}).get("value")
    return int(facts.get("most_steps") or in_spec or LoopConfig().steps)


def _charts(steps: int) -> dict[str, Any]:
    """Return MLflow's charts: the samples at the last step, then the curves."""
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
