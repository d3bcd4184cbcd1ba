"""Search-space files that name a training loop of a user's own."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from typer.testing import CliRunner

from gan_core.imports import imports
from sweeps.cli.app import app
from sweeps.driver.preview import as_json
from sweeps.errors import SpecError
from sweeps.spec.model import SweepSpec
from sweeps.spec.reading import load_spec, read_spec
from sweeps.spec.schema import json_schema
from tests.sweeps.specs import write

MODULE = "tests.gan_core.loops_with_parameters"
LOOP = f"{MODULE}:train"


def text_of(parameters, rest="", loop=LOOP):
    lines = "".join(f"  {name}: {value}\n" for name, value in parameters.items())
    return f"name: mine\ntrain: {loop}\nparameters:\n{lines}{rest}"


def test_the_hyperparameters_are_those_of_the_loops_config(tmp_path):
    parameters = {"gamma": "{min: 0.1, max: 10.0}", "width": "{values: [32, 64]}", "steps": 20}
    spec = load_spec(write(tmp_path, text_of(parameters)))
    assert spec.baseline == {"gamma": 1.0, "width": 64}
    config = spec.trial_config({"gamma": 2.0, "width": 32}, 1)
    assert type(config).__module__ == MODULE
    assert (config.steps, config.width, config.lr) == (20, 32, 2e-4)
    assert spec.import_paths == [LOOP]
    assert spec.reports_per_trial == 1
    assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert len(as_json(spec)["examples"]) == 10


def test_the_budget_of_the_baseline_is_that_of_the_file(tmp_path):
    spec = load_spec(
        write(tmp_path, text_of({"batch_size": "{values: [16, 32]}", "steps": "{values: [9, 99]}"}))
    )
    assert spec.baseline == {"batch_size": 32, "steps": 99}


@pytest.mark.parametrize(
    ("parameters", "rest", "expected"),
    [
        (
            {"gama": 1.0},
            "",
            r"4:3: unknown parameter 'gama'; allowed: steps, .*gamma.*; did you mean 'gamma'\?",
        ),
        ({"gamma": -1.0}, "", r"4:10: gamma is -1\.0: input should be greater than or equal to 0"),
        ({"width": "{values: [32, 48]}"}, "", r"4:24: width is 48: input should be 32, 64 or 128"),
        ({"width": "{min: 32, max: 64}"}, "", r"4:10: width is not a number: type values"),
        ({"steps": "{min: 1.5, max: 2.0}"}, "", r"4:10: steps must be a whole number"),
        ({"loss": "bce"}, "", r"4:3: unknown parameter 'loss'; allowed: steps"),
        ({"dropout": 0.5}, "", r"4:3: unknown parameter 'dropout'; allowed: steps"),
        ({"learning_rate": 0.5}, "", r"4:3: unknown parameter 'learning_rate': type lr"),
        (
            {"lr": "{low: 1.0e-4, high: 1.0e-2}"},
            "",
            r"4:7: lr has the search syntax .*: type lr: \{distribution",
        ),
        (
            {"gamma": 1.0},
            "points: published\n",
            r"5:\d+: published lists points for gan_core's own training, and",
        ),
        (
            {"gamma": 1.0},
            "metric: [fid, images_per_s]\n",
            r"images_per_s is measured only in gan_core's own training",
        ),
        (
            {"gamma": "{min: 0.1, max: 10.0}"},
            "early_terminate: {type: pbt}\n",
            r"4:3: pbt changes .* gamma must not change: .*; pbt can search lr$",
        ),
        (
            {"gamma": "{min: 0.1, max: 10.0, when: {widht: 64}}"},
            "",
            r"4:\d+: unknown parameter 'widht'; .*; did you mean 'width'\?",
        ),
    ],
)
def test_a_fault_has_its_line_and_what_to_type(tmp_path, parameters, rest, expected):
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, text_of(parameters, rest)))
    (fault,) = str(caught.value).splitlines()
    assert re.search(expected, fault), fault


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no_generator", r"train is '.*': .*no_generator is not a generator function: add 'yield"),
        ("without_config", r"the first parameter of .*without_config must be annotated with a subclass"),
        ("of_a_bad_config", r"the default of WithAList\.betas is a list: allowed are numbers"),
        (
            "of_contradicting_defaults",
            r"the defaults of Contradicting are not valid together: .*low is above",
        ),
        ("nothing", r"the module .* has no 'nothing'"),
    ],
)
def test_what_is_not_a_training_loop_is_one_fault(tmp_path, name, expected):
    with pytest.raises(SpecError) as caught:
        load_spec(
            write(tmp_path, text_of({"gamma": 1.0, "anything": "{values: [1, 2]}"}, loop=f"{MODULE}:{name}"))
        )
    (fault,) = str(caught.value).splitlines()
    assert re.search(r"spec\.yaml:2:8: train is ", fault)
    assert re.search(expected, fault), fault


def test_without_permission_the_loop_is_the_only_fault(tmp_path):
    with imports(allowed=False), pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, text_of({"gamma": 1.0, "gama": 2.0})))
    (fault,) = str(caught.value).splitlines()
    assert f"{LOOP} names code, and importing it runs that code" in fault


def test_a_loop_without_state_gives_a_warning_and_no_population(tmp_path):
    text = text_of({"lr": "{values: [0.1, 0.2]}"}, loop=f"{MODULE}:train_without_state")
    _, (remark,) = read_spec(write(tmp_path, text))
    assert re.search(
        r"2:8: .* has no parameter for a state, so that interrupted trials start over: add", str(remark)
    )
    with pytest.raises(SpecError, match=r"5:18: pbt copies the states of trainings"):
        read_spec(write(tmp_path, text + "early_terminate: {type: pbt}\n"))


def test_parameters_that_break_a_rule_of_several_fail_in_their_trial(tmp_path):
    parameters = {"width": "{values: [32, 64]}", "depth": "{values: [1, 3]}"}
    spec = load_spec(write(tmp_path, text_of(parameters)))
    with pytest.raises(ValidationError, match="too large"):
        spec.trial_config({"width": 64, "depth": 3}, 1)
    values = spec.trial_values({"width": 64, "depth": 3}, 1)
    assert (values["width"], values["depth"], values["gamma"]) == (64, 3, 1.0)
    assert (
        spec.trial_values({"width": 32, "depth": 3}, 1)
        == spec.trial_config({"width": 32, "depth": 3}, 1).model_dump()
    )


def test_defaults_and_points_that_break_such_a_rule_are_refused_at_once(tmp_path):
    text = text_of({"width": "{values: [32, 64]}", "depth": 3})
    with pytest.raises(
        SpecError, match=r"3:1: the defaults are not valid together: the network is too large"
    ):
        load_spec(write(tmp_path, text))
    text = text_of({"width": "{values: [32, 64]}", "depth": "{values: [1, 3]}"}, "points: [{depth: 3}]\n")
    with pytest.raises(
        SpecError, match=r"6:10: the values of this point are not valid together: the network is too large"
    ):
        load_spec(write(tmp_path, text))


def test_the_schema_takes_any_name_with_a_training_and_that_of_a_file_only_its_own(tmp_path):
    file = write(tmp_path, text_of({"gamma": "{values: [0.5, 1.0]}"}))
    good = {"name": "a", "train": LOOP, "parameters": {"gamma": 1.0}}
    bad = good | {"parameters": {"gama": 1.0}}
    anything = Draft202012Validator(json_schema())
    assert anything.is_valid(good)
    assert anything.is_valid(bad)
    assert not anything.is_valid({"name": "a", "parameters": {"gamma": 1.0}})
    with imports(allowed=False):
        printed = CliRunner().invoke(app, ["schema", str(file), "--allow-imports"])
    own = Draft202012Validator(json.loads(printed.stdout))
    assert own.is_valid(good)
    assert not own.is_valid(bad)


def test_gpus_that_a_trial_would_not_use_are_a_warning(tmp_path):
    text = text_of({"lr": "{values: [0.1, 0.2]}"}, rest="resources: {gpu: 2}\n")
    _, (remark,) = read_spec(write(tmp_path, text))
    assert "a trial trains on one GPU, and 1 more would be idle: type gpu: 1" in str(remark)


@pytest.mark.parametrize("module", ["hinge_beside.py", "hinge_beside/loop.py"])
def test_a_module_beside_the_file_is_named_with_the_folder_to_go_to(tmp_path, monkeypatch, module):
    (tmp_path / "b" / module).parent.mkdir(parents=True)
    (tmp_path / "b" / module).touch()
    path = module.removesuffix(".py").replace("/", ".")
    write(tmp_path / "b", text_of({"gamma": 1.0}, loop=f"{path}:train"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        load_spec(Path("b/spec.yaml"))
    name = module.partition("/")[0]
    assert "there is no module 'hinge_beside'" in str(caught.value)
    assert str(caught.value).endswith(f"; {name} lies beside b/spec.yaml: type cd b first")
