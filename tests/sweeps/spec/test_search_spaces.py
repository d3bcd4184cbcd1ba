from pathlib import Path

import pytest

from sweeps.spec.reading import read_spec

FILES = sorted((Path(__file__).parents[3] / "search_spaces").glob("*.yaml"))
PROMISED = {
    "dcgan",
    "dcgan-lsgan",
    "gan",
    "losses",
    "lsgan",
    "narrow",
    "wgan-gp",
    "wide",
}


def test_all_promised_files_exist():
    assert {file.stem for file in FILES} == PROMISED


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_file_is_valid_and_starts_with_its_question_and_duration(file):
    spec, remarks = read_spec(file)
    assert remarks == []
    assert spec.name == file.stem
    first_line = file.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith("# ")
    assert "?" in first_line
    assert "minutes on 2 cores" in first_line
    assert "lr" in spec.searched


def test_losses_yaml_compares_all_losses_and_penalties():
    spec, _ = read_spec(next(file for file in FILES if file.stem == "losses"))
    assert len(spec.values_of("loss")) == 6
    assert len(spec.values_of("penalty")) == 4
    assert spec.searched["penalty_weight"].when.keys() == {"penalty"}
