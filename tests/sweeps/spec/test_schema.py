import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from sweeps.spec.schema import json_schema

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "search_spaces").glob("*.yaml"))
WANDB = sorted((ROOT / "tests" / "sweeps" / "spec" / "wandb_specs").glob("*.yaml"))
VALIDATOR = Draft202012Validator(json_schema())


def content(file):
    return YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))


def test_the_committed_schema_is_up_to_date():
    assert json.loads((ROOT / "search_spaces" / "schema.json").read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_shipped_files_name_the_schema_and_are_valid(file):
    assert "# yaml-language-server: $schema=schema.json" in file.read_text(encoding="utf-8").splitlines()[:3]
    VALIDATOR.validate(content(file))


@pytest.mark.parametrize("file", WANDB, ids=lambda file: file.stem)
def test_a_wandb_file_is_valid_if_it_can_be_read(file):
    is_read = "# expected" not in file.read_text(encoding="utf-8")
    assert VALIDATOR.is_valid(content(file)) == is_read


@pytest.mark.parametrize(
    "name",
    ["unknown-key", "unknown-parameter", "unknown-method", "an-unknown-scheduler", "no-trials", "no-values"],
)
def test_the_schema_finds_faults(name):
    assert not VALIDATOR.is_valid(content(ROOT / "tests" / "sweeps" / "spec" / "bad_specs" / f"{name}.yaml"))
