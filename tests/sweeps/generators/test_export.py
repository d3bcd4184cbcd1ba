"""Exporting a generator, from a sweep that the test writes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

import gan_core
import sweeps
from gan_core.images import png_grid
from sweeps.errors import SweepError
from sweeps.generators.export import export
from sweeps.generators.formats import ModelFormat
from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync
from tests.exports import drawn_without_sweeps
from tests.sweeps.ledgers import write_confirmation, write_generator, write_kept

COMMAND = Path(sys.executable).with_name("gan-sweep")
FAR_APART = {"tiny-0001": [30.0, 33.0, 31.0], "tiny-0000": [90.0, 95.0, 99.0]}
ALIKE = {"tiny-0001": [30.0, 90.0, 31.0], "tiny-0000": [90.0, 31.0, 35.0]}


def swept(results, scores=None, **written):
    """Write a sweep, and a confirmation of it if there are scores of replicas."""
    folder = write_kept(results, **written)
    return write_confirmation(folder, scores) if scores else sweeps.load(folder.name, results)


def in_one_line(file):
    return " ".join(file.read_text(encoding="utf-8").split())


def test_an_export_takes_names_as_the_command_does(tmp_path):
    sweep, out = swept(tmp_path, FAR_APART), tmp_path / "home"
    assert out / "generator.pt2" in export(sweep, str(out), formats=["pt2"])
    with pytest.raises(SweepError, match=r"--format pt: .*did you mean 'pt2'"):
        export(sweep, str(tmp_path / "other"), formats=["pt"])
    assert not (tmp_path / "other").exists()


def test_an_exported_generator_draws_without_the_sweep(tmp_path):
    sweep, out = swept(tmp_path, FAR_APART), tmp_path / "home"
    assert [file.name for file in export(sweep, out)] == [
        "README.md",
        "config.json",
        "draw.py",
        "generator.safetensors",
        "samples.png",
    ]
    expected = png_grid(sweep.generator().sample(64, seed=0))
    assert (out / "samples.png").read_bytes() == expected
    assert drawn_without_sweeps(out) == expected
    about = json.loads((out / "config.json").read_text())
    assert (about["trial_id"], about["samples"], about["scores"]["fid"]) == ("tiny-0001", 10000, 30.0)
    assert (about["formats"], about["objections"]) == (["safetensors"], [])
    card = in_one_line(out / "README.md")
    for text in (
        "10,000 images",
        "| fid | 30 | 7 |",
        "| memorisation | 0.9 | - |",
        "sha256:0",
        "| seed | 1 |",
        "in that confirmation it is the winner. By that, tiny-0001 is ",
        "of the defaults; that gain is significant, because the probability that the defaults",
    ):
        assert text in card
    assert "--force" not in card
    with pytest.raises(SweepError, match="is not empty"):
        export(sweep, out)


@pytest.mark.parametrize(
    ("scores", "memorisation", "reasons", "to_type"),
    [
        (
            None,
            0.9,
            ["is unknown, because each configuration was trained on one seed only"],
            "gan-sweep confirm tiny ",
        ),
        (
            ALIKE,
            0.9,
            ["is not significant, because the probability that the defaults are as good"],
            "confirm tiny --until-resolved ",
        ),
        (FAR_APART, 0.4, ["its memorisation score is 0.4, and the check requires 0.5"], "--force"),
        (FAR_APART, float("nan"), ["it has no memorisation score"], "--force"),
        (ALIKE, 0.1, ["is not significant", "memorisation score is 0.1"], "--force"),
    ],
)
def test_a_gain_that_may_be_noise_and_copies_are_exported_only_with_force(
    tmp_path, scores, memorisation, reasons, to_type
):
    sweep, out = swept(tmp_path, scores, memorisation=memorisation), tmp_path / "home"
    with pytest.raises(SweepError, match="tiny-0001 cannot be exported without --force") as refused:
        export(sweep, out)
    for text in (*reasons, to_type, "with --force, the model card names these reasons"):
        assert text in str(refused.value)
    assert ("gan-sweep confirm" in str(refused.value)) == ("not significant" in reasons[0] or scores is None)
    assert not out.exists()
    export(sweep, out, force=True)
    card = in_one_line(out / "README.md")
    assert card.startswith("# tiny-0001 > **Exported with `--force`.**")
    objections = json.loads((out / "config.json").read_text())["objections"]
    assert len(objections) == len(reasons)
    for reason, objection in zip(reasons, objections, strict=True):
        assert reason in objection
        assert objection in card


def test_copies_are_refused_even_if_most_samples_are_new(tmp_path):
    sweep = swept(tmp_path / "many", FAR_APART, memorisation=0.67, copies=0.49)
    with pytest.raises(SweepError, match=r"0\.49 of its samples are copies .*, and the check allows 0\.05"):
        export(sweep, tmp_path / "refused")
    export(swept(tmp_path / "few", FAR_APART, copies=0.04), tmp_path / "home")
    assert "| copies | 0.04 | - |" in in_one_line(tmp_path / "home" / "README.md")


def test_the_card_says_what_the_scores_are_measured_with(tmp_path):
    facts = {
        "accuracy": {"share": 0.4, "chance": 0.1, "images": 1000},
        "floors_by_samples": {"10000": {"images": 4000, "scores": {"fid": 7.5}}},
    }
    export(swept(tmp_path, FAR_APART, facts=facts), tmp_path / "home")
    card = in_one_line(tmp_path / "home" / "README.md")
    assert "`sha256:0`, a classifier that is right on 40.0 % of 1,000 held-out images" in card
    assert "it is weak, so look at samples too" in card
    assert "| score | this generator | 4,000 real images (all there are) |" in card
    assert "| fid | 30 | 7.5 |" in card


def test_the_card_says_how_to_load_each_format(tmp_path):
    out = tmp_path / "home"
    export(swept(tmp_path, FAR_APART), out, formats=[*ModelFormat])
    names = {file.name for file in out.iterdir()}
    assert names > {"generator.safetensors", "generator.onnx", "generator.pt2"}
    card = (out / "README.md").read_text(encoding="utf-8")
    for model_format in ModelFormat:
        assert f"```python\n{model_format.snippet}\n```" in card
    assert card.count("can run code") == 1
    assert "within 0.001 of the original's" in in_one_line(out / "README.md")
    assert "float32 `(N, 8)`" in card


def test_a_format_that_fails_leaves_nothing(tmp_path):
    sweep = swept(tmp_path, FAR_APART, architecture="tests.sweeps.generators.test_formats:RestlessGan")
    with pytest.raises(SweepError, match="--format pt2 does not reproduce this generator"):
        export(sweep, tmp_path / "home", formats=[ModelFormat.PT2])
    assert not (tmp_path / "home").exists()


def test_the_command_takes_formats_and_force(tmp_path):
    swept(tmp_path / "results")
    command = [COMMAND, "export", "tiny", "--out", "home", "--format", "pt2"]
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "cannot be exported without --force" in refused.stderr
    done = subprocess.run([*command, "--force"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "home/generator.pt2\n" in done.stdout


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Write a sweep that MLflow knows too."""
    results = tmp_path_factory.mktemp("results")
    sweep = swept(results, FAR_APART)
    assert not sync(sweep.folder, Store.beside(results))
    return sweep


def test_a_registered_model_is_the_champion_and_loads_as_safetensors(tracked, tmp_path):
    store = Store.beside(tracked.folder.parent)
    for version, formats in ((1, []), (2, [ModelFormat.PT2])):
        out = tmp_path / f"home-{version}"
        export(tracked, out, register_as="digits", formats=formats)
        client = MlflowClient(store.uri, store.uri)
        champion = client.get_model_version_by_alias("digits", "champion")
        assert int(champion.version) == version
        assert "objections" not in champion.tags
        assert champion.tags.items() >= {
            ("sweep", "tiny"),
            ("trial_id", "tiny-0001"),
            ("fid", "30"),
            ("memorisation", "0.9"),
        }
        assert client.get_run(champion.run_id).data.tags["trial_id"] == "tiny-0001"
        source = client.get_model_version_download_uri("digits", champion.version)
        path = source.removeprefix(f"runs:/{champion.run_id}/")
        folder = Path(client.download_artifacts(champion.run_id, path, str(tmp_path)))
        assert sorted(file.name for file in folder.iterdir()) == sorted(file.name for file in out.iterdir())
        loaded = gan_core.load_generator(folder / "generator.safetensors")
        assert (loaded.sample(5) == tracked.generator().sample(5)).all()
    first = client.get_model_version_download_uri("digits", "1")
    assert first != source


@pytest.mark.parametrize("name", ["a/b", ""])
def test_a_name_that_mlflow_refuses_leaves_nothing(tracked, tmp_path, name):
    with pytest.raises(SweepError, match=f"does not take a model {name!r}: "):
        export(tracked, tmp_path / "home", register_as=name)
    assert not (tmp_path / "home").exists()


def test_a_trial_that_mlflow_does_not_have_is_refused(tmp_path):
    sweep = swept(tmp_path, FAR_APART)
    with pytest.raises(SweepError, match="has no run of tiny-0001; to upload it: gan-sweep sync tiny"):
        export(sweep, tmp_path / "home", register_as="digits")
    assert not (tmp_path / "home").exists()


def test_a_model_registered_by_force_is_tagged_with_the_objections(tracked, tmp_path):
    write_generator(tracked.folder, "tiny-0000")
    export(tracked, tmp_path / "home", "tiny-0000", register_as="defaults", force=True)
    client = MlflowClient(Store.beside(tracked.folder.parent).uri)
    tags = client.get_model_version_by_alias("defaults", "champion").tags
    assert tags["objections"].endswith("because the trial has the default configuration")
