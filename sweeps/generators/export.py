"""Export a trained generator: its weights, code that loads them, and a model card."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from shutil import copyfile, rmtree
from typing import Any

from gan_core.accuracy import Accuracy
from gan_core.metric_names import SCORE_NAMES
from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import gain_sentence
from sweeps.errors import SweepError
from sweeps.generators.card import model_card
from sweeps.generators.contents import Contents, contents_of, copy_code
from sweeps.generators.formats import WEIGHTS, ModelFormat, check_installed, write_format
from sweeps.generators.kept import best_trial, check_kept
from sweeps.generators.objections import objections_to, refusal
from sweeps.generators.scripts import ABOUT, script, script_name
from sweeps.record.yardstick import accuracy_of, floors_of
from sweeps.tracking.registry import register
from sweeps.tracking.store import Store
from sweeps.words import json_text


def export(
    sweep: Sweep,
    out: Path | str,
    trial_id: str | None = None,
    *,
    formats: Sequence[ModelFormat | str] = (),
    register_as: str | None = None,
    tracking_uri: str | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a trial's generator into a new folder; return the files.

    If the trial's training loop yields no generator, the export has the state of the loop's last step.

    Args:
        sweep: The sweep.
        out: The folder, new or empty. If the export fails, it leaves nothing there.
        trial_id: The trial; :func:`sweeps.generators.kept.best_trial` if it is None.
        formats: The formats to write beside the safetensors, ``onnx`` or ``pt2``; the export checks each by
            loading it again.
        register_as: The name of the model in MLflow's registry that becomes its champion; None for no model.
        tracking_uri: The registry's MLflow store; the store of the sweep's runs if it is None.
        force: Whether to export a generator that fails the memorisation check, or one without a significant
            gain over the defaults. The model card then names these objections.

    Raises:
        UnknownTrialError: The sweep does not keep the generator.
        SweepError: There are objections and ``force`` is False; the folder is not empty or cannot be made; a
            format is unknown or cannot be written; or MLflow cannot register the model.
    """
    out, added = Path(out), [ModelFormat.named(name) for name in formats]
    trial_id = trial_id or best_trial(sweep)
    check_kept(sweep, trial_id)
    objections = objections_to(sweep, trial_id)
    if objections and not force:
        raise SweepError(refusal(sweep, trial_id, objections))
    for model_format in added:
        check_installed(model_format)
    contents = contents_of(sweep, trial_id, added)
    about = _about(sweep, trial_id, contents) | {
        "formats": ["safetensors" if contents.name == WEIGHTS else "checkpoint", *added],
        "objections": objections,
    }
    with _new_folder(out):
        copyfile(contents.source, out / contents.name)
        for model_format in added:
            write_format(contents.known_generator(), model_format, out)
        about["code"] = copy_code(sweep, trial_id, out)
        _write_about(sweep, about, added, out)
        (out / "samples.png").write_bytes(contents.samples)
        if register_as is not None:
            store = Store.chosen(sweep.folder.parent, tracking_uri, sweep.facts.get("tracking_uri"))
            register(sweep.folder, store, trial_id, out, register_as, _tags(about))
    return sorted(out.iterdir())


def _write_about(sweep: Sweep, about: dict[str, Any], formats: Sequence[ModelFormat], out: Path) -> None:
    """Write the description of an export, its script and its model card."""
    (out / ABOUT).write_text(json_text(about) + "\n", encoding="utf-8")
    (out / script_name(about)).write_text(script(about), encoding="utf-8")
    (out / "README.md").write_text(model_card(sweep, about, formats), encoding="utf-8")


@contextmanager
def _new_folder(out: Path) -> Iterator[None]:
    """Make a folder to write into; if an exception follows, remove what was written.

    Raises:
        SweepError: The folder is not empty, or cannot be made.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        is_empty = not any(out.iterdir())
    except OSError as error:
        raise SweepError(f"--out {out} cannot be made: {error.strerror}") from None
    if not is_empty:
        raise SweepError(f"--out {out} is not empty: name a new folder")
    try:
        yield
    except BaseException:
        for each in out.iterdir():
            rmtree(each) if each.is_dir() else each.unlink()
        if is_new:
            out.rmdir()
        raise


def _about(sweep: Sweep, trial_id: str, contents: Contents) -> dict[str, Any]:
    """Return the content of ``config.json``: where the generator comes from, its config and its scores."""
    scores, spec = sweep.scores_of(trial_id), sweep.facts["spec"]
    floors, accuracy = floors_of(sweep.facts, int(scores["samples"])), accuracy_of(sweep.facts)
    return {
        "sweep": sweep.name,
        "trial_id": trial_id,
        "file": contents.name,
        "train": spec.get("train"),
        "config": sweep.config_of(trial_id),
        "image_shape": list(contents.image_shape),
        "dataset": spec.get("dataset"),
        "extractor": sweep.facts.get("extractor"),
        "samples": scores.pop("samples"),
        "scores": {
            name: score for name, score in scores.items() if name in SCORE_NAMES and score is not None
        },
        "reference": spec.get("reference", "held-out"),
        "accuracy": accuracy and asdict(accuracy),
        "floors": floors and dict(floors.scores),
        "floor_images": floors and floors.images,
        "confirmed": _confirmed(sweep, trial_id),
        "judged": _judged(sweep, trial_id),
        "judged_by": f"gan-sweep {version('gan-sweep')}",
        "written_by": sweep.facts.get("written_by"),
    }


def _judged(sweep: Sweep, trial_id: str) -> str:
    """Return the gain over the defaults, if it is known, and whether it is significant."""
    confirmed = sweep.confirmed()
    is_finalist = confirmed is not None and trial_id in confirmed.scores.names
    if confirmed is not None and is_finalist and confirmed.gain(trial_id) is not None:
        return gain_sentence(sweep, confirmed, trial_id)
    return sweep.judge(trial_id).sentence("its gain over the defaults")


def _confirmed(sweep: Sweep, trial_id: str) -> dict[str, Any] | None:
    """Return a configuration's result in the confirmation; None if it was not a finalist."""
    finalists = (sweep.summary()["confirmation"] or {}).get("finalists", [])
    row = next((row for row in finalists if row["trial_id"] == trial_id), None)
    if row is None:
        return None
    seeds = [int(seed) for seed in sweep.replicas["seed"][sweep.replicas["of"] == trial_id]]
    kept = ("verdict", "mean", "mean_low", "mean_high", "seeds", "failed", "gain")
    return {name: row[name] for name in kept} | {"training_seeds": seeds}


def _tags(about: dict[str, Any]) -> dict[str, str]:
    """Return the tags of a version in the model registry: where the generator comes from, and its scores."""
    names = ("sweep", "trial_id", "dataset", "extractor", "samples", "judged")
    origin = {name: str(about[name]) for name in names}
    if about["accuracy"]:
        origin["classifier"] = str(Accuracy(**about["accuracy"]))
    forced = {"objections": "; ".join(about["objections"])} if about["objections"] else {}
    return origin | forced | {name: f"{value:.6g}" for name, value in about["scores"].items()}
