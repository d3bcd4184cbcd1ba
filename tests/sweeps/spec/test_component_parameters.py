"""Parameters of users' components in search-space files."""

import re
import sys
from io import StringIO

import pytest
from rich.console import Console

from gan_core.imports import imports
from sweeps.driver.preparation import _with_users_components
from sweeps.driver.preview import as_json, print_preview
from sweeps.errors import SpecError
from sweeps.spec.overrides import parse_setting
from sweeps.spec.reading import load_spec, read_spec
from sweeps.spec.schema import json_schema
from sweeps.spec.yaml_text import spec_as_yaml
from tests.sweeps.specs import write

MODULE = "tests.gan_core.small_components"
WIDE, NARROW, MARGIN = f"{MODULE}:Wide", f"{MODULE}:Narrow", f"{MODULE}:Margin"
HEAD = "name: tiny\nparameters:\n"


def text_of(parameters, rest=""):
    return HEAD + "".join(f"  {name}: {value}\n" for name, value in parameters.items()) + rest


def faults_of(tmp_path, parameters, rest=""):
    with pytest.raises(SpecError) as caught:
        load_spec(write(tmp_path, text_of(parameters, rest)))
    return [line.removeprefix(f"{tmp_path}/spec.yaml:") for line in str(caught.value).splitlines()]


CHOICE = {"architecture": f"{{values: [mlp, '{WIDE}', '{NARROW}']}}"}


def test_a_parameter_of_a_component_exists_where_the_component_is_chosen(tmp_path):
    spec = load_spec(write(tmp_path, text_of(CHOICE | {"architecture.width": "{min: 8, max: 32}"})))
    space = spec.space
    assert space.contains({"architecture": WIDE, "architecture.width": 32})
    assert space.contains({"architecture": "mlp"})
    assert not space.contains({"architecture": "mlp", "architecture.width": 32})
    assert spec.baseline == {"architecture": "mlp"}
    config = spec.trial_config({"architecture": NARROW, "architecture.width": 8}, 1).model_dump()
    assert (config["architecture.width"], config["architecture.bias"]) == (8, True)
    assert "architecture.width" not in spec.trial_config({"architecture": "mlp"}, 1).model_dump()
    for params in as_json(spec)["examples"]:
        assert ("architecture.width" in params) == (params["architecture"] != "mlp")


def test_with_a_fixed_component_its_parameter_has_no_condition_and_the_baseline_its_default(tmp_path):
    parameters = {"architecture": WIDE, "architecture.width": "{values: [16, 64]}"}
    spec = load_spec(write(tmp_path, text_of(parameters)))
    assert spec.domains["architecture.width"].when == {}
    assert spec.baseline == {"architecture.width": 64}
    assert spec.max_trials == 2


def test_a_fixed_parameter_holds_for_the_components_that_have_it(tmp_path):
    spec = load_spec(write(tmp_path, text_of(CHOICE | {"architecture.width": 24})))
    full = spec.with_defaults({"architecture": WIDE})
    assert full == {"architecture": WIDE, "architecture.width": 24}
    assert spec.trial_config(full, 1).model_dump()["architecture.width"] == 24
    assert spec.space.size() == 3


def test_a_grid_lists_each_point_once(tmp_path):
    parameters = CHOICE | {
        "architecture.width": "{values: [8, 16]}",
        "architecture.bias": "{values: [true, false]}",
    }
    spec = load_spec(write(tmp_path, text_of(parameters, "method: grid\n")))
    assert spec.space.size() == 1 + 2 + 4


def test_conditions_and_points_may_name_such_parameters(tmp_path):
    parameters = {
        "architecture": WIDE,
        "architecture.width": "{values: [16, 64]}",
        "noise_dim": "{values: [8, 96], when: {architecture.width: 64}}",
    }
    spec = load_spec(write(tmp_path, text_of(parameters, "points: [{architecture.width: 16}]\n")))
    assert spec.first_points()[1] == {"architecture.width": 16}
    assert spec.space.size() == 3


@pytest.mark.parametrize(
    ("parameters", "rest", "expected"),
    [
        (
            CHOICE | {"architecture.wdth": "{min: 8, max: 32}"},
            "",
            r"4:3: unknown parameter 'architecture\.wdth'; allowed: architecture\.width, .*"
            r"; did you mean 'architecture\.width'\?",
        ),
        (
            {"architecture": "mlp", "architecture.width": 32},
            "",
            r"4:3: unknown parameter 'architecture\.width': no architecture in this file has parameters;",
        ),
        (CHOICE | {"width": 32}, "", r"4:3: unknown parameter 'width': type architecture\.width"),
        (
            CHOICE | {"architecture.width": "{values: [8, 64]}"},
            "",
            r"4:\d+: architecture\.width is 64: input should be less than or equal to 32 \(.*:Narrow\)",
        ),
        (
            {"architecture": WIDE, "architecture.width": "{min: 8.5, max: 32.0}"},
            "",
            r"4:23: architecture\.width must be a whole number: type distribution: int_uniform",
        ),
        (
            {"architecture": WIDE, "architecture.activation": "{min: 0, max: 1}"},
            "",
            r"4:28: architecture\.activation is not a number: type values",
        ),
        (
            {"architecture": WIDE, "architecture.width": "choice(32, 64)"},
            "",
            r"4:23: architecture\.width has the search .*: type architecture\.width: \{values: \[32, 64\]\}",
        ),
        (
            CHOICE | {"architecture.bias": "{values: [true, false], when: {architecture: mlp}}"},
            "",
            r"4:\d+: mlp has no parameter 'architecture\.bias'; allowed: .*:Narrow",
        ),
        (
            CHOICE | {"architecture.width": "{values: [8, 16]}"},
            "points: [{architecture: mlp, architecture.width: 8}]\n",
            r"5:30: mlp has no parameter .*: type architecture: .*Wide or .*Narrow, or remove .*width from",
        ),
        (
            {
                "loss": MARGIN,
                "loss.margin": "{min: 0.5, max: 2}",
                "architecture": WIDE,
                "architecture.width": "{values: [8, 16]}",
            },
            "early_terminate: {type: pbt}\n",
            r"6:3: pbt changes .* architecture\.width must not change: .*; pbt can search .*, loss\.margin$",
        ),
        (
            {"architecture": f"{MODULE}:Wdie", "architecture.width": 32},
            "",
            r"3:17: architecture is '.*': the module .* has no 'Wdie'.*; did you mean 'Wide'",
        ),
    ],
)
def test_a_fault_has_its_line_and_what_to_type(tmp_path, parameters, rest, expected):
    (fault,) = faults_of(tmp_path, parameters, rest)
    assert re.search(expected, fault), fault


def test_pbt_searches_a_parameter_that_its_component_declares_changeable(tmp_path):
    parameters = {"loss": MARGIN, "loss.margin": "{min: 0.5, max: 2.0}"}
    spec = load_spec(write(tmp_path, text_of(parameters, "early_terminate: {type: pbt}\n")))
    assert list(spec.searched) == ["loss.margin"]


def test_settings_have_the_same_spelling(tmp_path):
    file = write(tmp_path, text_of({"architecture": WIDE, "architecture.width": "{min: 8, max: 32}"}))
    settings = ["parameters.architecture.width.max=16", "parameters.architecture.activation=tanh"]
    spec, _ = read_spec(file, [parse_setting(each) for each in settings])
    assert spec.parameters["architecture.width"].max == 16
    assert spec.defaults["architecture.activation"] == "tanh"
    both = [parse_setting(f"parameters.architecture.values=[mlp, '{WIDE}']")]
    assert read_spec(write(tmp_path, HEAD + "  lr: 0.1\n"), both)[0].searched.keys() == {"architecture"}


def test_without_permission_the_code_is_the_only_fault(tmp_path):
    with imports(allowed=False):
        (fault,) = faults_of(tmp_path, {"architecture": WIDE, "architecture.width": 32})
    assert "names code" in fault
    assert WIDE in fault


def test_a_file_without_an_import_path_imports_no_component(tmp_path):
    before = set(sys.modules)
    load_spec(write(tmp_path, text_of({"architecture": "mlp", "lr": "{values: [0.1, 0.2]}"})))
    assert not {name for name in set(sys.modules) - before if name.startswith("gan_core.architectures")}


def test_the_preview_shows_the_parameter_below_its_component(tmp_path):
    spec = load_spec(write(tmp_path, text_of(CHOICE | {"architecture.width": "{min: 8, max: 32}"})))
    console = Console(width=300, file=StringIO())
    print_preview(spec, console, timed=False)
    shown = console.file.getvalue()
    assert re.search(r"└── architecture\.width: 8 to 32  where architecture is .*Wide or .*Narrow", shown)


def test_the_record_of_a_spec_is_a_file_of_the_same_sweep(tmp_path):
    file = write(tmp_path, text_of(CHOICE | {"architecture.width": "{min: 8, max: 32}"}))
    spec = load_spec(file)
    again = load_spec(write(tmp_path, spec_as_yaml(spec.model_dump(mode="json")), "again.yaml"))
    assert again == spec
    assert again.domains == spec.domains


def test_before_a_sweep_each_combination_is_checked_at_the_ends_of_its_parameters(tmp_path):
    parameters = CHOICE | {"architecture.width": "{min: 8, max: 32}", "lr": "{values: [0.1, 0.2]}"}
    configs = _with_users_components(load_spec(write(tmp_path, text_of(parameters))))
    found = [(each["architecture"], each["architecture.width"]) for each in (c.model_dump() for c in configs)]
    assert found == [(WIDE, 8), (WIDE, 32), (NARROW, 8), (NARROW, 32)]


def test_the_schema_takes_parameters_of_components():
    (pattern,) = json_schema()["$defs"]["Parameters"]["patternProperties"]
    assert re.search(pattern, "architecture.width")
    assert not re.search(pattern, "architectures")
