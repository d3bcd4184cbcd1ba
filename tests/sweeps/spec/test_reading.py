import re
from pathlib import Path

import pytest

from gan_core import TrialConfig
from sweeps.cli import main
from sweeps.errors import SpecError
from sweeps.spec.domains import Choice, Fixed, IntUniform, LogUniform, Uniform
from sweeps.spec.model import SweepSpec
from sweeps.spec.overrides import Override, parse_setting
from sweeps.spec.reading import check_name, load_spec, read_spec
from tests.sweeps.specs import GOOD, write

FOLDER = Path(__file__).parent
BAD = sorted((FOLDER / "bad_specs").glob("*.yaml"))
WANDB = sorted((FOLDER / "wandb_specs").glob("*.yaml"))
EXPECTED = "# expected "


def expected(file):
    """Return the patterns of the expected messages, from the comments at the end of a file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(EXPECTED) for line in lines if line.startswith(EXPECTED)]


def test_there_are_bad_specs_of_many_kinds():
    assert len(BAD) >= 60


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_each_fault_exits_with_2_and_names_its_line_and_rule(monkeypatch, capsys, tmp_path, file):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gan-sweep", str(file), "--allow-imports"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines, patterns = capsys.readouterr().err.splitlines(), expected(file)
    assert len(lines) == len(patterns) > 0
    for line, pattern in zip(lines, patterns, strict=True):
        assert line.startswith(f"{file}:")
        assert re.search(pattern, line), line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", WANDB, ids=lambda file: file.stem)
def test_a_wandb_sweep_file_is_read_or_refused_with_a_replacement(file):
    patterns = expected(file)
    if not patterns:
        spec = load_spec(file)
        assert spec.searched
        assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec
        return
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(patterns), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.search(pattern, line), line


def test_the_message_names_a_missing_file(tmp_path):
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


def test_the_path_of_a_folder_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    folder = GOOD.replace(
        "dataset: mnist-5k", "dataset: folder:photos\nimage_size: 32\nskip_unreadable: true"
    )
    spec = load_spec(write(tmp_path, folder))
    name = f"folder:{tmp_path / 'photos'}"
    assert spec.data == {"name": name, "image_size": 32, "channels": None, "skip_unreadable": True}


def test_an_extractor_may_be_the_users_own(tmp_path):
    own = "tests.gan_core.test_extractors:Tiles"
    spec = load_spec(write(tmp_path, GOOD + f"extractor: '{own}'\nreference: train\n"))
    assert (spec.import_paths, spec.reference) == ([own], "train")
    with pytest.raises(SpecError, match="is not a valid extractor: the class must be a subclass of"):
        load_spec(write(tmp_path, GOOD + "extractor: pathlib:Path\n"))
    with pytest.raises(SpecError, match="class_kl needs the classes of the images: type extractor: classif"):
        load_spec(write(tmp_path, GOOD + f"extractor: '{own}'\nmetric: class_kl\n"))


def test_values_of_a_component_start_with_the_default(tmp_path):
    spec = load_spec(
        write(tmp_path, GOOD.replace("[bce, lsgan]", "[lsgan, hinge]") + "  architecture: dcgan\n")
    )
    assert spec.values_of("loss") == ["bce", "lsgan", "hinge"]
    assert spec.values_of("architecture") == ["dcgan"]
    assert spec.values_of("penalty") == ["none"]


def test_the_baseline_comes_first_and_points_have_defaults(tmp_path):
    spec = load_spec(write(tmp_path, GOOD + "points: [{lr: 1e-3}, {}]\n"))
    defaults = {"loss": "bce", "lr": 3e-4, "beta1": 0.5, "noise_dim": 96}
    assert spec.first_points() == [defaults, defaults | {"lr": 1e-3}]


def test_a_list_of_one_value_is_that_value_in_every_trial(tmp_path):
    one_value = (
        "  eval_samples: {values: [128]}\n  final_samples: {values: [128]}\n  d_steps: {values: [2]}\n"
    )
    points = "points: [{lr: 1e-3, d_steps: 2}]\n"
    spec = load_spec(write(tmp_path, GOOD + one_value + points))
    assert spec.searched.keys() == {"loss", "lr", "beta1", "noise_dim"}
    for point in spec.first_points():
        config = spec.trial_config(point, 0)
        assert (config.eval_samples, config.final_samples, config.d_steps) == (128, 128, 2)


@pytest.mark.parametrize(
    ("parameters", "budget"),
    [
        ("steps: {values: [20, 30]}, batch_size: {values: [16, 32]}", (30, 32, 250, 2000, 10_000)),
        ("steps: {min: 100, max: 9999}, batch_size: {values: [32, 128]}", (3910, 128, 250, 2000, 10_000)),
        ("steps: 30, report_every: {values: [10, 15]}", (30, 128, 15, 2000, 10_000)),
        (
            "eval_samples: {values: [128, 256]}, final_samples: {min: 128, max: 512}",
            (3910, 128, 250, 256, 512),
        ),
        (
            "batch_size: {distribution: q_log_uniform_values, q: 24, min: 24, max: 96}, steps: {value: 9}",
            (9, 96, 250, 2000, 10_000),
        ),
        ("steps: {value: 9, when: {loss: bce}}, loss: {values: [bce, lsgan]}", (9, 128, 250, 2000, 10_000)),
        (
            "steps: {value: 9, when: {loss: lsgan}}, loss: {values: [bce, lsgan]}",
            (3910, 128, 250, 2000, 10_000),
        ),
    ],
)
def test_the_baseline_has_the_steps_the_batch_and_the_samples_of_the_sweep(tmp_path, parameters, budget):
    spec = load_spec(
        write(tmp_path, f"name: tiny\nparameters: {{lr: {{min: 0.1, max: 0.2}}, {parameters}}}\n")
    )
    config = spec.trial_config(spec.baseline, 0)
    names = "steps", "batch_size", "report_every", "eval_samples", "final_samples"
    assert tuple(getattr(config, name) for name in names) == budget
    assert config.lr == 3e-4


def test_the_most_reports_of_a_trial_are_those_of_the_searched_steps(tmp_path):
    steps = "steps: {values: [20, 30]}, report_every: {values: [5, 10]}"
    assert load_spec(write(tmp_path, f"name: tiny\nparameters: {{{steps}}}\n")).reports_per_trial == 6
    when = "loss: {values: [bce, lsgan]}, steps: {value: 20, when: {loss: lsgan}}"
    assert load_spec(write(tmp_path, f"name: tiny\nparameters: {{{when}}}\n")).reports_per_trial == 16


def test_a_point_takes_the_nearest_batch_size_that_is_searched(tmp_path):
    text = GOOD + "  batch_size: {values: [16, 32]}\npoints: [{lr: 1e-3}]\n"
    assert [point["batch_size"] for point in load_spec(write(tmp_path, text)).first_points()] == [32, 32]


def test_a_real_number_without_a_fraction_is_a_whole_number_where_one_is_asked_for(tmp_path):
    text = """\
        name: tiny
        trials: 1e1
        early_terminate: {min_iter: 2e0}
        points: [{steps: 2e3, lr: 1e-3}]
        parameters:
          lr: {min: 0.0, max: 1.0, when: {d_steps: 5.0}}
          steps: {min: 1e3, max: 5e3}
          d_steps: {values: [5e0]}
          batch_size: 1e2
        """
    spec = load_spec(write(tmp_path, text.replace("min: 0.0", "min: 0.0001")))
    assert (spec.trials, spec.early_terminate.min_iter) == (10, 2)
    assert spec.parameters["steps"] == IntUniform(min=1000, max=5000)
    assert isinstance(spec.parameters["lr"], Uniform)
    config = spec.trial_config(spec.first_points()[1], 0)
    assert (config.steps, config.d_steps, config.batch_size) == (2000, 5, 100)
    with pytest.raises(SpecError, match="steps must be a whole number"):
        load_spec(write(tmp_path, "name: tiny\nparameters: {steps: {min: 1.5, max: 5e3}}\n"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "latin-1"])
def test_a_file_that_is_not_utf_8_is_refused_with_what_to_do(tmp_path, encoding):
    file = tmp_path / "spec.yaml"
    file.write_bytes(f"# Größe\n{GOOD}".encode(encoding))
    with pytest.raises(SpecError, match=r"spec\.yaml: the text is not UTF-8: save the file as UTF-8$"):
        load_spec(file)
    file.write_bytes(f"# Größe\n{GOOD}".encode("utf-8-sig"))
    assert load_spec(file).name == "tiny"


@pytest.mark.parametrize(
    ("text", "description"),
    [
        ("a # b", "a # b"),
        ("a: b", "a: b"),
        ("2024-01-01", "2024-01-01"),
        ("010", "010"),
        ("null", "null"),
        ("off", "off"),
        ("@home", "@home"),
        ("it's", "it's"),
        ('"quoted # text"', "quoted # text"),
    ],
)
def test_a_setting_is_taken_as_it_is_where_text_belongs(tmp_path, text, description):
    file = write(tmp_path, GOOD)
    assert load_spec(file, [parse_setting(f"description={text}")]).description == description


def test_a_setting_of_a_parameter_that_is_text_may_be_a_domain(tmp_path):
    file = write(tmp_path, GOOD)
    for setting in ("parameters.loss={values: [bce, hinge]}", "parameters.loss.values=[bce, hinge]"):
        spec = load_spec(file, [parse_setting(setting)])
        assert spec.parameters["loss"] == Choice(values=["bce", "hinge"])


def test_w_and_b_s_name_of_a_choice_with_probabilities_is_read(tmp_path):
    own = "{distribution: categorical_w_probabilities, values: [bce, lsgan], probabilities: [0.4, 0.6]}"
    spec = load_spec(write(tmp_path, GOOD.replace("{values: [bce, lsgan]}", own)))
    assert spec.parameters["loss"].probabilities == [0.4, 0.6]


def test_an_empty_name_is_a_fault_and_none_is_no_name():
    check_name(None)
    with pytest.raises(SpecError, match="--name : allowed: up to 64 letters"):
        check_name("")


def test_the_default_slope_depends_on_the_architecture(tmp_path):
    searched = GOOD + "  leaky_slope: {min: 0.0, max: 0.4}\n"
    assert load_spec(write(tmp_path, searched)).baseline["leaky_slope"] == 0.2
    assert load_spec(write(tmp_path, searched + "  architecture: dcgan\n")).baseline["leaky_slope"] == 0.01


def test_each_trial_has_its_own_seed_unless_the_file_fixes_the_seed(tmp_path):
    spec = load_spec(write(tmp_path, GOOD))
    params = spec.baseline
    assert spec.trial_config(params, 1) == spec.trial_config(params, 1)
    assert spec.trial_config(params, 1).seed != spec.trial_config(params, 2).seed
    assert spec.trial_config(params, 1) == TrialConfig(
        **params, steps=20, report_every=10, seed=spec.trial_config(params, 1).seed
    )
    fixed = load_spec(write(tmp_path, GOOD + "  seed: 7\n"))
    assert fixed.trial_config(params, 1).seed == 7


def test_settings_replace_values_of_the_file(tmp_path):
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
        ("lr.max=0.1", "--set lr.max=0.1: unknown key 'lr': it is a hyperparameter, type parameters.lr"),
        ("name.x=1", "--set name.x=1: name is 'tiny': expected a mapping"),
        ("steps", "--set steps: expected KEY=VALUE"),
        ("a..b=1", "--set a..b=1: expected KEY=VALUE"),
        ("trials=[", "--set trials=[: '[' is not a YAML value"),
        ("parameters.steps=500 # half", "--set parameters.steps=500 # half: steps is '500 # half': "),
        ("parameters.lr=2024-01-01", "--set parameters.lr=2024-01-01: lr is '2024-01-01': "),
        ("parameters.loss=null", "--set parameters.loss=null: loss is 'null': unknown loss"),
        ("parameters={1: 2}", "--set parameters={1: 2}: the key 1 is not a string: quote it"),
    ],
)
def test_the_message_of_a_bad_setting_quotes_the_setting(tmp_path, setting, message):
    file = write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}"):
        load_spec(file, [parse_setting(setting)])


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        ("{min_iter: 2}", r":11:29: no trial is stopped early before report 2, and a trial makes 2 at most"),
        (
            "{type: median, min_iter: 300}",
            "no trial is stopped early before report 300, .*: type a smaller min_iter",
        ),
        ("{max_iter: 300, s: 1}", "no trial is stopped early before report 100, .*: type a smaller max_iter"),
        ("{min_iter: 1}", None),
        ("{type: none, min_iter: 300}", None),
    ],
)
def test_early_termination_that_starts_after_the_last_report_gives_a_warning(tmp_path, rules, warning):
    _, remarks = read_spec(write(tmp_path, GOOD + f"early_terminate: {rules}\n"))
    assert len(remarks) == (warning is not None)
    for remark in remarks:
        assert re.search(warning, str(remark))


def test_the_message_of_a_bad_override_names_the_override(tmp_path):
    file = write(tmp_path, GOOD)
    with pytest.raises(SpecError, match=r"overrides\['trials'\]: trials is -1"):
        load_spec(file, [Override("overrides['trials']", ("trials",), -1)])


CONTENT = {"name": "tiny", "parameters": {"lr": {"min": 1e-4, "max": 1e-3}}}


def test_a_dict_is_read_like_a_file(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text("name: tiny\nparameters: {lr: {min: 1e-4, max: 1e-3}}\n", encoding="utf-8")
    assert load_spec(CONTENT) == load_spec(file)
    assert load_spec(load_spec(file).model_dump(mode="json")) == load_spec(file)


def test_a_fault_of_a_dict_names_its_key():
    with pytest.raises(SpecError, match=r"spec\['trials'\]: trials is 0: "):
        load_spec(CONTENT | {"trials": 0})
