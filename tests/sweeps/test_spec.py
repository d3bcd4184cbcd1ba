import re

import pytest

from gan_core import TrialConfig
from sweeps.errors import SpecError
from sweeps.space import Choice, Fixed, IntUniform, LogUniform, Uniform
from sweeps.spec import Override, load_spec, parse_setting
from tests.sweeps.specs import GOOD, write

HEAD = "name: tiny\nparameters:\n"

FAULTS = {
    "unknown key": (
        "trails: 3\n" + HEAD + "  steps: 3\n",
        [r"1:1: unknown key 'trails'; .*did you mean 'trials'\?"],
    ),
    "unknown parameter": (
        HEAD + "  lrr: 3\n",
        [r"3:3: unknown parameter 'lrr'; allowed: .*did you mean 'lr'\?"],
    ),
    "unknown loss": (
        HEAD + "  loss: {value: lsgam}\n",
        [r"3:17: loss is 'lsgam': .*allowed: bce, hinge, lsgan, .*did you mean 'lsgan'\?"],
    ),
    "unknown loss in a list": (HEAD + "  loss: {values: [bce, wgan]}\n", [r"3:24: loss is 'wgan'"]),
    "an unknown module": (
        HEAD + "  architecture: nowhere.nets:Pair\n",
        [r"3:17: architecture is 'nowhere\.nets:Pair': there is no module 'nowhere': it must be installed"],
    ),
    "an unknown attribute in a list": (
        HEAD + "  loss: {values: [bce, 'gan_core.losses.hinge:Hing']}\n",
        [r"3:24: loss is .*: the module .* has no 'Hing'; did you mean 'Hinge'\?"],
    ),
    "an import path of another kind": (
        HEAD + "  loss: gan_core.architectures.mlp:MLP\n",
        [r"3:9: loss is .* is no loss: the class must be a subclass of gan_core\.losses\.Loss"],
    ),
    "unknown dataset": (
        "dataset: minst\n" + HEAD + "  steps: 3\n",
        [r"1:10: .*'minst'; allowed: cifar10, .*, folder:PATH, MODULE:NAME; did you mean 'mnist'\?"],
    ),
    "a folder that is none": (
        "dataset: folder:nowhere\n" + HEAD + "  steps: 3\n",
        [r"1:10: dataset is 'folder:nowhere': there is no directory /.*/nowhere"],
    ),
    "a function that is none": (
        "dataset: nowhere:load\n" + HEAD + "  steps: 3\n",
        [r"1:10: dataset is 'nowhere:load': there is no module 'nowhere'"],
    ),
    "sizes of a dataset that has its own": (
        "image_size: 32\nchannels: 1\ndataset: mnist-5k\n" + HEAD + "  steps: 3\n",
        [
            r"1:13: image_size is 32: only a dataset folder:PATH has it, mnist-5k has its own: leave it out",
            r"2:11: channels is 1: only a dataset folder:PATH has it",
        ],
    ),
    "sizes that do not fit": (
        "dataset: folder:.\nimage_size: 30\nchannels: 2\n" + HEAD + "  steps: 3\n",
        [r"2:13: image_size is 30: .*multiple of 4", r"3:11: channels is 2: allowed: 1, grey, or 3, colour"],
    ),
    "a size that is too large": (
        "dataset: folder:.\nimage_size: 2048\nchannels: true\n" + HEAD + "  steps: 3\n",
        [r"2:13: image_size is 2048: .*less than or equal to 1024", r"3:11: channels is True: .*integer"],
    ),
    "unknown method": (
        "method: tpee\n" + HEAD + "  steps: 3\n",
        [r"1:9: method is 'tpee': .*'tpe', 'gp', .* or 'grid'"],
    ),
    "a GAN loss as metric": (
        "metric: {name: g_loss}\n" + HEAD + "  steps: 3\n",
        [r"1:16: .*a GAN loss says nothing of the samples; allowed: fid"],
    ),
    "an unknown flag": (
        "stop_on: [collapse, colapse]\n" + HEAD + "  steps: 3\n",
        [r"1:21: stop_on\.1 is 'colapse': .*'collapse' or 'discriminator-won'"],
    ),
    "the wrong goal": (
        "metric: {name: fid, goal: maximize}\n" + HEAD + "  steps: 3\n",
        [r"1:27: metric\.goal is 'maximize': fid is better when it is less"],
    ),
    "inverted range": (
        HEAD + "  lr: {distribution: log_uniform_values, min: 1e-2, max: 1e-4}\n",
        [r"3:7: parameters\.lr: min 0\.01 must be less than max 0\.0001"],
    ),
    "a log range from zero": (
        HEAD + "  lr: {distribution: log_uniform_values, min: 0, max: 1e-4}\n",
        [r"3:47: parameters\.lr\.min is 0: .*greater than 0"],
    ),
    "a range beyond the parameter's": (
        HEAD + "  beta1: {min: 0.0, max: 1.5}\n",
        [r"3:26: beta1 is 1\.5: .*less than 1"],
    ),
    "a real number for a whole one": (
        HEAD + "  noise_dim: {min: 1.5, max: 3}\n",
        [r"3:14: noise_dim is a whole number: use"],
    ),
    "unknown distribution": (
        HEAD + "  lr: {distribution: unifrm, min: 0.1, max: 0.2}\n",
        [r"3:7: parameters\.lr: unknown distribution; allowed: categorical, constant, int_uniform, "],
    ),
    "missing max": (HEAD + "  lr: {distribution: uniform, min: 0.1}\n", [r"3:3: missing key 'max'"]),
    "missing parameters": ("name: tiny\n", [r"1:1: missing key 'parameters'"]),
    "no values": (HEAD + "  lr: {values: []}\n", [r"3:16: parameters\.lr\.values: .*at least 1"]),
    "a value twice": (
        HEAD + "  lr: {values: [0.1, 0.1]}\n",
        [r"3:7: parameters\.lr: a value is listed twice"],
    ),
    "a word for a number": (HEAD + "  steps: on\n", [r"3:10: steps is 'on': .*integer"]),
    "not finite": (HEAD + "  lr: {value: .nan}\n", [r"3:15: .*finite number"]),
    "not a parameter": (
        HEAD + "  lr: [1, 2]\n",
        [r"3:7: parameters\.lr: a parameter is a value, or a mapping"],
    ),
    "a duplicate key": (HEAD + "  lr: 0.1\n  lr: 0.2\n", [r"4:3: not YAML: found duplicate key \"lr\""]),
    "broken YAML": ("name: [tiny\nparameters: {}\n", [r":\d+:\d+: not YAML: "]),
    "empty": ("", [r"1:1: expected a mapping"]),
    "a list": ("- 1\n", [r"1:1: expected a mapping"]),
    "a bad name": ("name: ../x\nparameters: {steps: 3}\n", [r"1:7: name is '\.\./x': a name is letters"]),
    "no trials": ("trials: 0\n" + HEAD + "  steps: 3\n", [r"1:9: trials is 0: .*greater than or equal to 1"]),
    "a point that is not searched": (
        "points: [{lr: 0.1}]\n" + HEAD + "  beta1: {min: 0.1, max: 0.2}\n",
        [r"1:11: 'lr' is not searched; allowed: beta1"],
    ),
    "a point whose default is outside": (
        "points: [{lr: 0.1}]\n" + HEAD + "  lr: {values: [0.1, 0.2]}\n  noise_dim: {min: 100, max: 128}\n",
        [r"1:10: noise_dim is 96, its default, as this point leaves it out: outside"],
    ),
    "a point of the wrong type": (
        "points: [{beta1: true}]\n" + HEAD + "  beta1: {min: 0.0, max: 0.9}\n",
        [r"1:18: beta1 is True: .*number"],
    ),
    "a whole range for a real number": (
        HEAD + "  leaky_slope: {min: 0, max: 1}\n",
        [r"3:16: leaky_slope is a real number: use distribution uniform, or write min: 0\.0"],
    ),
    "a kind as a key": ("Uniform: 3\n" + HEAD + "  steps: 3\n", [r"1:1: unknown key 'Uniform'"]),
    "a value beside values": (
        HEAD + "  lr: {values: [0.1], value: 3}\n",
        [r"3:23: unknown key 'value'; allowed: when, distribution, values, "],
    ),
    "a word where a section belongs": (
        "resources: 3\n" + HEAD + "  steps: 3\n",
        [r"1:12: resources is 3: expected a mapping with the keys cpu, gpu"],
    ),
    "a word for gpus": (
        "resources: {gpu: foo}\n" + HEAD + "  steps: 3\n",
        [r"1:18: resources\.gpu is 'foo': allowed: auto, "],
    ),
    "one and a half gpus": (
        "resources: {gpu: 1.5}\n" + HEAD + "  steps: 3\n",
        [r"1:18: resources\.gpu is 1\.5: "],
    ),
    "a number as a key": (
        HEAD + "  1: 2\n  2.5: x\n",
        [r"3:3: the key '1' is not a word", r"4:3: the key '2.5' "],
    ),
    "a reserved name": ("name: mlflow.db\nparameters: {steps: 3}\n", [r"1:7: .*this name is taken"]),
    "a huge number": (
        HEAD + "  noise_dim: {min: 1" + 400 * "0" + ", max: 3}\n",
        [r"3:20: .*0\.\.\.: .*less than"],
    ),
    "a date that is none": (
        "name: 2020-13-45\nparameters: {steps: 3}\n",
        [r"1:1: not YAML that can be read: "],
    ),
    "a tag that its value denies": (HEAD + "  lr: !!bool abc\n", [r"1:1: not YAML that can be read: "]),
    "deep nesting": (HEAD + "  lr: " + 3000 * "[" + "\n", [r":\d+:\d+: not YAML"]),
    "a point outside": (
        "points: [{beta1: 0.5}]\n" + HEAD + "  beta1: {min: 0.1, max: 0.2}\n",
        [r"1:18: beta1 is 0\.5: outside of what is searched"],
    ),
    "several at once": (
        "trials: 0\nmethod: x\n" + HEAD + "  lrr: 3\n  loss: x\n",
        [r"1:9: ", r"2:9: ", r"5:3: ", r"6:9: "],
    ),
}


@pytest.mark.parametrize(("text", "patterns"), FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_has_its_line_and_its_rule(tmp_path, text, patterns):
    file = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(patterns)
    for line, pattern in zip(lines, patterns, strict=True):
        assert line.startswith(f"{file}:")
        assert re.search(pattern, line), line


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match="there is no such file"):
        load_spec(tmp_path / "nowhere.yaml")


def test_a_good_file_is_read(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    assert spec.parameters == {
        "loss": Choice(values=["bce", "lsgan"]),
        "lr": LogUniform(distribution="log_uniform_values", min=1e-4, max=1e-2),
        "beta1": Uniform(min=0, max=0.9),
        "noise_dim": IntUniform(min=16, max=128),
        "steps": Fixed(value=20),
        "report_every": Fixed(value=10),
    }
    assert list(spec.searched) == ["loss", "lr", "beta1", "noise_dim"]
    assert spec.reports_per_trial == 2


def test_a_folder_is_absolute_and_has_its_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    folder = GOOD.replace("dataset: mnist-5k", "dataset: folder:photos\nimage_size: 32")
    spec = load_spec(write(tmp_path, folder))
    assert spec.data == {"name": f"folder:{tmp_path / 'photos'}", "image_size": 32, "channels": None}


def test_what_a_trial_may_have_of_a_component(tmp_path):
    spec = load_spec(
        write(tmp_path, GOOD.replace("[bce, lsgan]", "[lsgan, hinge]") + "  architecture: dcgan\n")
    )
    assert spec.values_of("loss") == ["bce", "lsgan", "hinge"]
    assert spec.values_of("architecture") == ["dcgan"]
    assert spec.values_of("penalty") == ["none"]


def test_the_baseline_comes_first_and_points_are_filled_up_with_defaults(tmp_path):
    spec = load_spec(write(tmp_path, GOOD + "points: [{lr: 1e-3}, {}]\n"))
    defaults = {"loss": "bce", "lr": 3e-4, "beta1": 0.5, "noise_dim": 96}
    assert spec.first_points() == [defaults, defaults | {"lr": 1e-3}]


def test_the_default_slope_is_the_architectures(tmp_path):
    searched = GOOD + "  leaky_slope: {min: 0.0, max: 0.4}\n"
    assert load_spec(write(tmp_path, searched)).baseline["leaky_slope"] == 0.2
    assert load_spec(write(tmp_path, searched + "  architecture: dcgan\n")).baseline["leaky_slope"] == 0.01


def test_each_trial_has_a_seed_of_its_own_unless_the_file_fixes_it(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    params = spec.baseline
    assert spec.trial_config(params, 1) == spec.trial_config(params, 1)
    assert spec.trial_config(params, 1).seed != spec.trial_config(params, 2).seed
    assert spec.trial_config(params, 1) == TrialConfig(
        **params, steps=20, report_every=10, seed=spec.trial_config(params, 1).seed
    )
    fixed = load_spec(write(tmp_path, GOOD + "  seed: 7\n"))
    assert fixed.trial_config(params, 1).seed == 7


def test_settings_replace_values_and_are_checked_like_the_file(tmp_path):
    file = write(tmp_path, GOOD)
    settings = ["parameters.steps=500", "parameters.lr.max=1e-3", "early_terminate.eta=4", "trials=7"]
    spec = load_spec(file, [parse_setting(setting) for setting in settings])
    assert spec.parameters["steps"] == Fixed(value=500)
    assert spec.parameters["lr"].max == 1e-3
    assert (spec.early_terminate.eta, spec.trials) == (4, 7)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "parameters.steps=many",
            "--set parameters.steps=many: steps is 'many': input should be a valid integer",
        ),
        ("parameters.lr.max=0", "--set parameters.lr.max=0: "),
        ("name.x=1", "--set name.x=1: name is not a mapping, it is 'tiny'"),
        ("steps", "--set steps: expected KEY=VALUE"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE"),
        ("trials=[", "--set trials=[: '[' is not a YAML value"),
    ],
)
def test_a_bad_setting_names_itself(tmp_path, setting, message):
    file = write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}"):
        load_spec(file, [parse_setting(setting)])


def test_an_override_from_python_names_itself(tmp_path):
    file = write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=r"overrides\['trials'\]: trials is -1"):
        load_spec(file, [Override("overrides['trials']", ("trials",), -1)])
