"""A generator to take home: its weights, how to load them, and a card that says what they are."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

from gan_core.registry import imports_are_allowed, is_import_path
from sweeps.analysis.confirmation import FAILED, TIE, UNKNOWN, WINNER, WORSE
from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import judge
from sweeps.errors import SweepError
from sweeps.generators.formats import TOLERANCE, ModelFormat, check_installed, write_format
from sweeps.generators.kept import best_trial, generator_file
from sweeps.record.status import SPEED
from sweeps.tracking.registry import register
from sweeps.tracking.store import Store
from sweeps.words import json_text

WEIGHTS, ABOUT = "generator.safetensors", "config.json"
LEAST_MEMORISATION = 0.5
"""Below it, samples are twice as near to training images as unseen real images are: the check fails."""

_SNIPPET = """\
from pathlib import Path

import gan_core
from gan_core.images import png_grid

generator = gan_core.load_generator({weights}{trust})
images = generator.sample(64, seed=0)  # uint8 (64, C, H, W)
Path("samples.png").write_bytes(png_grid(images))
"""


def export(
    sweep: Sweep,
    trial_id: str | None,
    out: Path,
    *,
    formats: Sequence[ModelFormat] = (),
    register_as: str | None = None,
    tracking_uri: str | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a trial's generator, by default the best's, into a new folder; return the files.

    Args:
        sweep: The sweep.
        trial_id: The trial; the best where it is None.
        out: The folder, which must be new or empty; it is gone again where anything fails.
        formats: What to write beside the safetensors, each loaded again and compared with the original.
        register_as: Under which name to register it in MLflow's model registry, as its champion.
        tracking_uri: Where that registry is; where the sweep was tracked if it is not given.
        force: Whether to write it although it fails the memorisation check, or its gain over the tutorial's
            defaults is not known to be beyond the noise; its card then says so.

    Raises:
        UnknownTrialError: Its generator is not kept.
        SweepError: There is something against it, and no force; the folder holds files already or cannot be
            made; a format cannot be written; or MLflow cannot register it.
    """
    trial_id = trial_id or best_trial(sweep)
    weights = generator_file(sweep, trial_id)
    objections = _objections(sweep, trial_id)
    if objections and not force:
        raise SweepError(_refusal(sweep, trial_id, objections))
    for model_format in formats:
        check_installed(model_format)
    generator = sweep.generator(trial_id, allow_imports=imports_are_allowed())

    from gan_core.images import png_grid

    about = _about(sweep, trial_id, list(generator.image_shape)) | {
        "formats": ["safetensors", *formats],
        "objections": objections,
    }
    with _new_folder(out):
        copyfile(weights, out / WEIGHTS)
        for model_format in formats:
            write_format(generator, model_format, out)
        (out / ABOUT).write_text(json_text(about) + "\n", encoding="utf-8")
        (out / "draw.py").write_text(_script(about["config"]), encoding="utf-8")
        (out / "samples.png").write_bytes(png_grid(generator.sample(64)))
        (out / "README.md").write_text(_card(sweep, about, formats), encoding="utf-8")
        if register_as is not None:
            store = Store.chosen(sweep.folder.parent, tracking_uri, sweep.facts.get("tracking_uri"))
            register(sweep.folder, store, trial_id, out, register_as, _tags(about))
    return sorted(out.iterdir())


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """Make a folder to write into, and leave nothing where that fails.

    Raises:
        SweepError: It holds files already, or cannot be made.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        is_empty = not any(out.iterdir())
    except OSError as error:
        raise SweepError(f"--out {out} cannot be made: {error.strerror}") from None
    if not is_empty:
        raise SweepError(f"--out {out} holds files already: name a new folder")
    try:
        yield
    except BaseException:
        for each in out.iterdir():
            rmtree(each) if each.is_dir() else each.unlink()
        if is_new:
            out.rmdir()
        raise


def _objections(sweep: Sweep, trial_id: str) -> list[str]:
    """Return what speaks against giving a generator to anybody, a clause each."""
    judged = judge(sweep, trial_id)
    against = [] if judged.is_significant else [judged.sentence("its gain over the tutorial's defaults")]
    memorisation = sweep.scores_of(trial_id).get("memorisation")
    if memorisation is None:
        return [*against, "its memorisation was not measured"]
    if not memorisation >= LEAST_MEMORISATION:
        against.append(
            f"it fails the memorisation check with {memorisation:.2g}: below {LEAST_MEMORISATION:g}, samples"
            " are too near to training images"
        )
    return against


def _refusal(sweep: Sweep, trial_id: str, objections: list[str]) -> str:
    """Return why a generator is not exported, and what to type."""
    lines = [f"{trial_id} is not exported:", *objections]
    is_baseline = trial_id in set(sweep.trials["trial_id"][sweep.trials["is_baseline"]])
    if not judge(sweep, trial_id).is_significant and not is_baseline:
        more = " --until-resolved" if sweep.confirmed() else ""
        lines.append(f"gan-sweep confirm {sweep.name}{more} trains it and the defaults on fresh seeds")
    return "\n".join([*lines, "--force exports it all the same, and its card says so"])


def snippet(out: Path) -> str:
    """Return the lines of Python that draw images of what :func:`export` wrote into a folder."""
    about = json.loads((out / ABOUT).read_text(encoding="utf-8"))
    return _lines(about["config"], repr(str(out / WEIGHTS)))


def _script(config: dict[str, Any]) -> str:
    """Return those lines as a file beside the weights."""
    lines = _lines(config, f'Path(__file__).with_name("{WEIGHTS}")')
    return f'"""Draws 64 images; needs torch and gan_core."""\n\n{lines}'


def _lines(config: dict[str, Any], weights: str) -> str:
    """Return what draws images of the weights; what imports code of the user's own says so."""
    has_own_code = any(is_import_path(config[kind]) for kind in ("architecture", "loss", "penalty"))
    return _SNIPPET.format(weights=weights, trust=", allow_imports=True" if has_own_code else "")


def _about(sweep: Sweep, trial_id: str, image_shape: list[int]) -> dict[str, Any]:
    scores, spec = sweep.scores_of(trial_id), sweep.facts["spec"]
    return {
        "sweep": sweep.name,
        "trial_id": trial_id,
        "config": sweep.config_of(trial_id),
        "image_shape": image_shape,
        "dataset": spec.get("dataset"),
        "extractor": sweep.facts.get("extractor"),
        "samples": scores.pop("samples"),
        "scores": {name: value for name, value in scores.items() if name != SPEED},
        "floors": sweep.facts.get("floors"),
        "confirmed": _confirmed(sweep, trial_id),
        "judged": judge(sweep, trial_id).sentence("its gain over the tutorial's defaults"),
        "written_by": sweep.facts.get("written_by"),
    }


def _confirmed(sweep: Sweep, trial_id: str) -> dict[str, Any] | None:
    """Return what a confirmation says of a trial's configuration; None where it was not in one."""
    finalists = (sweep.summary()["confirmation"] or {}).get("finalists", [])
    row = next((row for row in finalists if row["trial_id"] == trial_id), None)
    if row is None:
        return None
    seeds = [int(seed) for seed in sweep.replicas["seed"][sweep.replicas["of"] == trial_id]]
    kept = ("verdict", "mean", "low", "high", "seeds", "failed", "gain")
    return {name: row[name] for name in kept} | {"training_seeds": seeds}


def _card(sweep: Sweep, about: dict[str, Any], formats: Sequence[ModelFormat]) -> str:
    scores = "\n".join(
        f"| {name} | {value:.4g} | {_floor(about, name)} |" for name, value in about["scores"].items()
    )
    params = "\n".join(f"| {name} | {value} |" for name, value in about["config"].items())
    return f"""\
# {about["trial_id"]}
{_warning(about["objections"])}
A GAN's generator, the trial {about["trial_id"]} of the sweep {about["sweep"]}, trained on {about["dataset"]}.

![64 samples](samples.png)

## Load it

`python draw.py` draws 64 images; it needs torch and gan_core. `{WEIGHTS}` holds the weights, the config
and the image shape, and no code.
{"".join(_of_format(model_format, about) for model_format in formats)}
## Scores

Of {about["samples"]:,} images that it made of fresh noise, compared with held-out images in the features of
`{about["extractor"]}`: scores of another extractor, published ones included, cannot be compared with these.

| score | this generator | real images |
| --- | --- | --- |
{scores}

{_of_seeds(sweep, about["confirmed"])} By that, {about["judged"]}.

Memorisation is how near samples are to training images, over how near held-out images are: about 1 or more
where nothing was copied, towards 0 for copies. The memorisation check asks for {LEAST_MEMORISATION:g}.

## Trained with

| parameter | value |
| --- | --- |
{params}

To repeat it, where the sweep's results are: `gan-sweep rerun {about["sweep"]} {about["trial_id"]}`
({about["written_by"]}).
"""


def _warning(objections: list[str]) -> str:
    """Return what a card begins with where a generator was exported in spite of something."""
    if not objections:
        return ""
    reasons = "".join(f"> - {reason}\n" for reason in objections)
    return f"\n> **Exported with `--force`.** Without it, this generator is refused:\n>\n{reasons}"


def _of_format(model_format: ModelFormat, about: dict[str, Any]) -> str:
    """Return how a file is loaded, with what, and whether that can be trusted."""
    needs, warning = ("torch", _RUNS_CODE) if model_format.is_code else ("onnxruntime", "")
    shape = f"(N, {about['config']['noise_dim']})"
    return f"""
`{model_format.file}` ({model_format}) makes images in [-1, 1] of noise, float32 `{shape}`,
for any N; it needs {needs} alone. When it was written it was loaded again, and its images were within
{TOLERANCE:g} of the original's.{warning}

```python
{model_format.snippet}
```
"""


_RUNS_CODE = (
    " Loading such a file may run code that it holds: load this one only where you trust whoever gave it to"
    f" you, and `{WEIGHTS}` otherwise."
)


def _floor(about: dict[str, Any], name: str) -> str:
    floor = (about["floors"] or {}).get(name)
    return "-" if floor is None else f"{floor:.4g}"


def _tags(about: dict[str, Any]) -> dict[str, str]:
    """Return what a version in the model registry is tagged with: where it comes from, and its scores."""
    names = ("sweep", "trial_id", "dataset", "extractor", "samples", "judged")
    told = {name: str(about[name]) for name in names}
    forced = {"objections": "; ".join(about["objections"])} if about["objections"] else {}
    return told | forced | {name: f"{value:.6g}" for name, value in about["scores"].items()}


_VERDICTS = {
    WINNER: "the winner",
    TIE: "not told from the winner",
    WORSE: "worse than the winner",
    FAILED: "one that failed more often than the winner",
    UNKNOWN: "without a score",
}


def _of_seeds(sweep: Sweep, confirmed: dict[str, Any] | None) -> str:
    if confirmed is None:
        return (
            "This is one training, chosen as one of the best of many, which flatters: its configuration was"
            " not trained again on other seeds."
        )
    failed = f"; {confirmed['failed']}" if confirmed["failed"] else ""
    seeds = ", ".join(map(str, confirmed["training_seeds"]))
    between = (
        "" if confirmed["low"] is None else f" (95 %: {confirmed['low']:.4g} to {confirmed['high']:.4g})"
    )
    mean = "-" if confirmed["mean"] is None else f"{confirmed['mean']:.4g}"
    kind = "geometric mean" if sweep.scale().is_logarithmic else "mean"
    return (
        f"Its configuration, trained again on {confirmed['seeds']} fresh seeds ({seeds}), has a {kind}"
        f" {sweep.metric} of {mean}{between}{failed};"
        f" in that confirmation it is {_VERDICTS[confirmed['verdict']]}."
    )
