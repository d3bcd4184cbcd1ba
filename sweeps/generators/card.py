"""Write the model card of an exported generator."""

from collections.abc import Sequence
from typing import Any

from gan_core.accuracy import Accuracy
from sweeps.analysis.confirmation import FAILED, LEADING, TIE, UNKNOWN, WINNER, WORSE
from sweeps.analysis.sweep import Sweep
from sweeps.generators.contents import STATE, code_named_in
from sweeps.generators.formats import TOLERANCE, WEIGHTS, ModelFormat
from sweeps.generators.objections import LEAST_MEMORISATION, MOST_COPIES
from sweeps.record.code import CODE


def model_card(sweep: Sweep, about: dict[str, Any], formats: Sequence[ModelFormat]) -> str:
    """Return the model card as Markdown."""
    scores = "\n".join(
        f"| {name} | {value:.4g} | {_floor(about, name)} |" for name, value in about["scores"].items()
    )
    params = "\n".join(f"| {name} | {value} |" for name, value in about["config"].items())
    return f"""\
# {about["trial_id"]}
{_warning(about["objections"])}
{_subject(about)}, trained on {about["dataset"]}: trial {about["trial_id"]} of the sweep
{about["sweep"]}.

![64 samples](samples.png)

## Load it

{_loading(about)}
{"".join(_of_format(model_format, about) for model_format in formats)}
## Scores

{about["samples"]:,} images from fresh noise, compared with {_REFERENCES[about["reference"]]} in the
features of `{about["extractor"]}`{_accuracy(about)}. Scores in other features, published ones included,
are not comparable.

| score | this generator | {_real_images(about)} |
| --- | --- | --- |
{scores}

{_of_seeds(sweep, about["confirmed"])} By that, {about["judged"]}
(judged by {about["judged_by"]}).

Memorisation is the distance of samples to the nearest training images, divided by that of held-out images:
about 1 or more without copying, towards 0 for copies. The check requires {LEAST_MEMORISATION:g}.

Copies is the share of samples that are nearer to a training image than 99 % of the held-out images are,
beyond the 1 % that chance gives. The check allows {MOST_COPIES:g}.

## Trained with

| parameter | value |
| --- | --- |
{params}

To train it again, beside the sweep's results: `gan-sweep rerun {about["sweep"]} {about["trial_id"]}`
({about["written_by"]}).
"""


def _subject(about: dict[str, Any]) -> str:
    """Return what was exported, as the subject of a sentence."""
    if about["train"] is None:
        return "The generator of a GAN"
    kind = "The last state" if about["file"] == STATE else "The generator"
    return f"{kind} of the training loop `{about['train']}`"


def _loading(about: dict[str, Any]) -> str:
    """Return how to load the export, and which code that runs."""
    if about["file"] == STATE:
        return f"""\
`python load.py` loads `{STATE}`; it needs torch and gan_core, and runs none of the loop's code. The file
holds the state that the loop returned at its last step, its config and the image shape. The loop yields no
generator, so the export cannot draw: load the networks in the state with the loop's own code.
{_code(about)}"""
    named = code_named_in(about)
    if not named:
        return f"""\
`python draw.py` draws 64 images; it needs torch and gan_core. `{WEIGHTS}` holds the weights, the config
and the image shape, and no code."""
    by = f"; {_REBUILDING}" if about["train"] else ""
    return f"""\
`python draw.py` draws 64 images; it needs torch and gan_core, and **runs code**:
{", ".join(f"`{path}`" for path in named)}{by}.
`{WEIGHTS}` holds the weights and the config, and no code.
{_code(about)}"""


_REBUILDING = """\
the loop takes one step on random images, which builds its
generator, and the weights are then loaded into it"""


def _code(about: dict[str, Any]) -> str:
    """Return where the user's own code of an export is."""
    if about["code"] is None:
        return "The code is not part of this folder: put it where Python finds it."
    return f"`{CODE}/` is the code that trained it (SHA-256 of its files: `{about['code']}`)."


def _warning(objections: list[str]) -> str:
    """Return the warning at the top of a card, if there are objections."""
    if not objections:
        return ""
    reasons = "".join(f"> - {reason}\n" for reason in objections)
    return f"\n> **Exported with `--force`.** Without `--force`, the export is refused:\n>\n{reasons}"


def _of_format(model_format: ModelFormat, about: dict[str, Any]) -> str:
    """Return the card's section on one format: how to load the file, and whether loading it can run code."""
    needs, warning = ("torch", _RUNS_CODE) if model_format.is_code else ("onnxruntime", "")
    shape = f"(N, {about['config']['noise_dim']})"
    return f"""
`{model_format.file}` ({model_format}) maps noise, float32 `{shape}` for any N, to images in [-1, 1]; it
needs {needs} alone. The export loaded the file again: its images were within {TOLERANCE:g} of the
original's.{warning}

```python
{model_format.snippet}
```
"""


_RUNS_CODE = (
    " Loading this file can run code: if you do not trust the person who gave it to you, load"
    f" `{WEIGHTS}` instead."
)


_REFERENCES = {"held-out": "held-out images", "train": "the training images"}


def _accuracy(about: dict[str, Any]) -> str:
    """Return how good the classifier that computes the features is; nothing for other extractors."""
    if about["accuracy"] is None:
        return ""
    accuracy = Accuracy(**about["accuracy"])
    weak = "; it is weak, so look at samples too" if accuracy.is_weak else ""
    return f", a classifier that is {accuracy}{weak}"


def _real_images(about: dict[str, Any]) -> str:
    """Return the heading of the floors: how many real images they rest on."""
    images = about["floor_images"]
    if images is None:
        return "real images"
    return f"{images:,} real images{' (all there are)' if images < about['samples'] else ''}"


def _floor(about: dict[str, Any], name: str) -> str:
    floor = (about["floors"] or {}).get(name)
    return "-" if floor is None else f"{floor:.4g}"


_VERDICTS = {
    WINNER: "is the winner",
    LEADING: "leads so far",
    TIE: "is not significantly worse than the winner",
    WORSE: "is significantly worse than the winner",
    FAILED: "diverged on most of its seeds, or has no score",
    UNKNOWN: "has no score",
}


def _of_seeds(sweep: Sweep, confirmed: dict[str, Any] | None) -> str:
    """Return the card's sentence on fresh seeds: the mean with its interval, and the verdict."""
    if confirmed is None:
        return (
            "These are the scores of one training with one seed, chosen among many, and therefore"
            " too good: its configuration was not trained again on fresh seeds."
        )
    failed = f"; {confirmed['failed']}" if confirmed["failed"] else ""
    seeds = ", ".join(map(str, confirmed["training_seeds"]))
    between = (
        ""
        if confirmed["mean_low"] is None
        else f" (95 %: {confirmed['mean_low']:.4g} to {confirmed['mean_high']:.4g})"
    )
    mean = "-" if confirmed["mean"] is None else f"{confirmed['mean']:.4g}"
    return (
        f"Its configuration, trained again on {confirmed['seeds']} fresh seeds ({seeds}), has an"
        f" {sweep.scale().mean_name} {sweep.metric} of {mean}{between}{failed};"
        f" in that confirmation it {_VERDICTS[confirmed['verdict']]}."
    )
