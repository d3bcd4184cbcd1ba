"""The tables and summaries that commands print, in a pipe and on a terminal."""

import json
import os
import pty
import re
import select
from types import SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

import sweeps
from sweeps.cli.app import app
from sweeps.cli.printing import MOST_ROWS, print_summary
from sweeps.cli.table import print_table
from sweeps.errors import SweepError
from sweeps.record.status import Status
from tests.sweeps.ledgers import write_confirmation, write_kept, write_search, write_sweep

BOLD = "\x1b[1m"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_sweep(folder)
    return folder


def typed(results, *arguments):
    done = CliRunner().invoke(app, [*map(str, arguments), "--results", str(results)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout


@pytest.fixture
def terminal(monkeypatch):
    """Give a function that prints a frame on a real terminal of some width, and returns its lines."""

    def shown(width, frame, columns=None):
        screen, keyboard = pty.openpty()
        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        with os.fdopen(keyboard, "w", encoding="utf-8") as stdout, monkeypatch.context() as patched:
            patched.setattr("sys.stdout", stdout)
            print_table("a table", frame, columns, "gan-sweep rank tiny")
            stdout.flush()
            text = b""
            while not text.endswith(b"\n") or select.select([screen], [], [], 0.1)[0]:
                text += os.read(screen, 4096)
        os.close(screen)
        return text.decode().splitlines()

    return shown


def frame_of(**columns):
    frame = pd.DataFrame({"rank": [1, 2], "trial_id": ["tiny-0001", "tiny-0000"], "fid": [3.25, 12345.678]})
    return frame.assign(is_baseline=[False, True], **columns)


def test_a_pipe_gets_all_columns_in_plain_lines(results):
    lines = typed(results, "rank", "tiny").splitlines()
    assert lines[0] == "tiny: fid, lower is better; real images score 7.1"
    headings = "rank trial status fid gain loss penalty lr penalty_weight samples step flags"
    assert lines[1].split() == headings.split()
    assert len(lines) == 2 + 10 + 1
    assert "\x1b" not in "".join(lines)
    assert lines[-1].startswith("failed: ")


def test_numbers_are_right_aligned_and_texts_left_aligned(terminal):
    lines = terminal(80, frame_of(loss=["bce", "lsgan"]))
    assert [line.rstrip() for line in lines[1:3]] == [
        "rank  trial                       fid  loss",
        "   1  tiny-0001                  3.25  bce",
    ]
    assert lines[3].startswith(BOLD)
    assert "   2  tiny-0000 (defaults)  1.235e+04  lsgan" in re.sub(r"\x1b\[\dm", "", lines[3])
    assert BOLD not in "".join(lines[:3])


def test_columns_that_do_not_fit_a_terminal_are_named_below(terminal):
    frame = frame_of(flags=["collapse since 240"] * 2, lr=[0.001, 0.002], beta1=[0.5, 0.6])
    lines = terminal(50, frame)
    assert lines[1].split() == ["rank", "trial", "fid", "lr"]
    assert len(lines) == 5
    assert lines[-1] == (
        "left out to fit the terminal: beta1, flags;"
        " type gan-sweep rank tiny --columns A,B,... or --format csv"
    )
    assert terminal(50, frame, ["trial_id", "flags"])[1].split() == ["trial", "flags"]


def test_no_cell_wraps_and_a_long_text_is_cut_on_a_terminal(terminal, capsys):
    frame = frame_of(status=["completed", "[bold]cannot\nbe read: " + 60 * "x"])
    lines = terminal(100, frame)
    assert len(lines) == 4
    assert "…" in lines[3]
    print_table("a table", frame, None, "gan-sweep rank tiny")
    assert "[bold]cannot be read: " + 60 * "x" in capsys.readouterr().out


def test_a_leaderboard_prints_a_hundred_trials_unless_top_asks_for_more(tmp_path):
    write_sweep(tmp_path, statuses=[Status.COMPLETED] * (MOST_ROWS + 5), reports=1)
    lines = typed(tmp_path, "rank", "tiny").splitlines()
    assert len(lines) == 2 + MOST_ROWS + 1
    command = f"gan-sweep rank tiny --results {tmp_path}"
    assert lines[-1] == f"5 more trials: {command} --top 105, or --format csv, prints them"
    assert len(typed(tmp_path, "rank", "tiny", "--top", MOST_ROWS + 5).splitlines()) == 2 + MOST_ROWS + 5
    assert len(json.loads(typed(tmp_path, "rank", "tiny", "--json"))) == MOST_ROWS + 5


def test_columns_are_chosen_in_every_format(results):
    assert typed(
        results, "rank", "tiny", "--top", 1, "--columns", "trial", "--format", "csv"
    ).splitlines() == [
        "trial_id",
        "tiny-0008",
    ]
    options = ["rank", "tiny", "--top", 2, "--columns", "fid, trial_id"]
    assert typed(results, *options, "--format", "csv").splitlines()[::2] == [
        "fid,trial_id",
        "11.224489795918368,tiny-0006",
    ]
    assert [[*row] for row in json.loads(typed(results, *options, "--json"))] == [["fid", "trial_id"]] * 2
    assert typed(results, *options).splitlines()[1].split() == ["fid", "trial"]
    assert typed(results, "list", "--columns", "sweep", "--format", "csv") == "sweep\ntiny\n"


def test_an_unknown_column_is_refused_with_the_closest(results):
    with pytest.raises(SweepError, match=r"--columns statu: no such column; allowed: rank, .*'status'\?"):
        typed(results, "rank", "tiny", "--columns", "fid,statu")


def test_json_is_short_for_the_format(results):
    for command in (["rank", "tiny"], ["list"]):
        assert typed(results, *command, "--json") == typed(results, *command, "--format", "json")
    with pytest.raises(SweepError, match="--json and --format csv contradict each other"):
        typed(results, "list", "--json", "--format", "csv")


def test_commands_that_write_files_name_them_as_json(tmp_path):
    write_confirmation(
        write_kept(tmp_path), {"tiny-0001": [30.0, 33.0, 31.0], "tiny-0000": [90.0, 95.0, 99.0]}
    )
    image, home, page = tmp_path / "a.png", tmp_path / "home", tmp_path / "a.html"
    drawn = json.loads(typed(tmp_path, "sample", "tiny", "--out", image, "--json"))
    assert drawn == {"sweep": "tiny", "trial_id": "tiny-0001", "files": [str(image)]}
    exported = json.loads(typed(tmp_path, "export", "tiny", "--out", home, "--json"))
    assert exported["files"] == sorted(map(str, home.iterdir()))
    assert (exported["trial_id"], exported["registered"]) == ("tiny-0001", None)
    reported = json.loads(typed(tmp_path, "report", "tiny", "--out", page, "--json"))
    assert reported == {"sweep": "tiny", "files": [str(page)]}


@pytest.mark.parametrize(
    ("fids", "spec", "line"),
    [
        ([90.0, 30.0], {}, "fid 91  tiny-0000  the best is 2.9 times lower"),
        ([30.0, 90.0], {}, "fid 31  tiny-0000  no trial is better than the defaults"),
        ([30.0, 30.0], {}, "fid 31  tiny-0000  no trial is better than the defaults"),
        ([5.0, -1.0], {"metric": [{"name": "kid", "goal": "minimize"}]}, "the best is 0.6 lower"),
        ([5.0, 0.0], {"metric": [{"name": "kid", "goal": "minimize"}]}, "the best is 0.5 lower"),
    ],
)
def test_the_summary_compares_the_best_with_the_defaults(tmp_path, capsys, fids, spec, line):
    write_search(tmp_path, *fids, spec=spec)
    print_summary(SimpleNamespace(sweep=sweeps.load("tiny", tmp_path)), tmp_path)
    (defaults,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("defaults")]
    assert defaults.endswith(line)
