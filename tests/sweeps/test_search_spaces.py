from pathlib import Path

import pytest

from sweeps.spec import load_spec

FILES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))


def test_the_promised_spaces_are_there():
    assert {file.stem for file in FILES} >= {"gan", "lsgan", "losses"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_is_valid_and_says_what_it_asks_and_how_long_it_takes(file):
    spec = load_spec(file)
    assert spec.name == file.stem
    first_line = file.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith("# ")
    assert "minutes" in first_line
    assert {"noise_dim", "lr", "beta1", "leaky_slope"} <= spec.searched.keys()
