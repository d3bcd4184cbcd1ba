"""The files of a folder of code, by its ``.gitignore`` files."""

import pytest

from sweeps.cluster.folder_files import check_size, files_of
from sweeps.errors import SweepError


@pytest.fixture
def folder(tmp_path):
    names = [
        *("a.py", "keep/b.py", "keep/big.bin", "data/1.png", "data/kept.txt", ".hidden/c.py"),
        *("__pycache__/a.pyc", "venv/pyvenv.cfg", "venv/d.py", "keep/build/e.py", "build.py"),
        *("a-sweep/ledger.db", "a-sweep/code/1/a.py", "mlflow.db", "mlartifacts/1/a.png"),
    ]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def names(folder, besides=()):
    return [file.relative_to(folder).as_posix() for file in files_of(folder, besides)]


def test_hidden_files_environments_sweeps_and_caches_are_left_out(folder):
    of_data, of_keep = ["data/1.png", "data/kept.txt"], ["keep/b.py", "keep/big.bin", "keep/build/e.py"]
    expected = ["a.py", "build.py", *of_data, *of_keep]
    assert names(folder) == expected
    assert names(folder, [folder / "data"]) == ["a.py", "build.py", *of_keep]


def test_gitignore_files_choose_also_those_of_folders_above_in_a_repository(folder):
    (folder / ".gitignore").write_text("# images\n/data/*\n!/data/kept.txt\nbuild/\n", encoding="utf-8")
    (folder / "keep" / ".gitignore").write_text("*.bin\n", encoding="utf-8")
    assert names(folder) == ["a.py", "build.py", "data/kept.txt", "keep/b.py"]
    assert names(folder / "keep") == ["b.py", "build/e.py"]
    (folder / ".git").mkdir()
    assert names(folder / "keep") == ["b.py"]


def test_a_folder_that_is_too_large_is_refused_with_its_largest_files(folder):
    (folder / "keep" / "big.bin").write_bytes(b"")
    with (folder / "keep" / "big.bin").open("r+b") as file:
        file.truncate(60_000_000)
    with pytest.raises(SweepError) as caught:
        check_size(folder, [*files_of(folder)])
    assert "has 7 files of 60 MB; allowed: 20,000 files of 50 MB" in str(caught.value)
    assert "the largest are keep/big.bin (60 MB), " in str(caught.value)
    assert f"list in {folder / '.gitignore'} what trials do not import" in str(caught.value)
    (folder / ".gitignore").write_text("*.bin\n", encoding="utf-8")
    check_size(folder, [*files_of(folder)])
