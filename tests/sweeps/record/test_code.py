"""The versions of users' code in a record."""

import pytest

from sweeps.errors import SweepError
from sweeps.record.code import CODE, changes_of_code, check_code, in_short, kept_version, warnings_of_code


def version(packages=None, **files):
    return {
        "files": {f"{name}.py": digest for name, digest in files.items()},
        "packages": packages or {},
        "folder": f"code/{sum(map(int, files.values()))}",
    }


def test_changed_new_and_missing_files_and_packages_are_named():
    then = version({"nets": "1.0"}, a="1", b="1", c="1")
    now = version({"nets": "1.1"}, a="1", b="2", d="1")
    found = changes_of_code(then, now)
    assert found == ["b.py differs", "c.py is missing", "d.py is new", "nets was 1.0, it is 1.1"]
    assert changes_of_code(then, then) == []
    assert in_short([*"abcdefg"]) == "a, b, c, d, e and 2 more"


def test_code_that_differs_from_the_newest_version_is_refused(tmp_path):
    facts = {CODE: [version(a="1"), version(a="2")]}
    check_code("resume mine", tmp_path, facts, version(a="2"))
    check_code("resume mine", tmp_path, {}, version(a="2"))
    with pytest.raises(SweepError) as caught:
        check_code("resume mine", tmp_path, facts, version(a="1"))
    assert str(caught.value) == (
        "resume mine: the code has changed since the last trials were trained: a.py differs; new trials would"
        f" not be comparable with them. Restore the code from {tmp_path}/code/2, or add --changed-code (in"
        " Python: changed_code=True) to train with the changed code"
    )


def test_each_changed_version_is_a_warning_with_its_trials():
    facts = {CODE: [version(a="1"), version(a="2"), version(a="3")]}
    rows = [
        {"trial_id": trial, "places": [{"code": number} for number in numbers]}
        for trial, numbers in {"m-0": [1], "m-1": [1, 3], "m-2": [3]}.items()
    ]
    expected = (
        "the code changed during the sweep: a.py differs; m-1, m-2 trained with the changed code, code/3"
    )
    assert warnings_of_code(facts, rows) == [expected]
    assert warnings_of_code({}, [{"trial_id": "m-0", "places": [{"host": "here"}]}]) == []


def test_a_new_version_has_a_copy_of_its_files(tmp_path):
    file = tmp_path / "a.py"
    file.write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "sweep" / "code" / "2" / "left_behind").mkdir(parents=True)
    present = {"files": {"nets/a.py": "5"}, "packages": {}}
    kept = kept_version(2, present, {"nets/a.py": file}, tmp_path / "sweep")
    assert kept == {**present, "folder": "code/2", "at": kept["at"]}
    copies = [path for path in (tmp_path / "sweep" / "code").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path).as_posix() for path in copies] == ["sweep/code/2/nets/a.py"]
