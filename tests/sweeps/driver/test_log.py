import logging
import re
import sys
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sweeps.driver.log import LOG, event_log
from sweeps.driver.progress import Terminal
from sweeps.record.layout import LOG_FILE, check_results
from tests.sweeps.driver.test_progress import display_on, play


def lines_of(folder):
    """Return the lines of a log without their times, each checked to be in UTC."""
    lines = (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()
    matches = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+ .*)", line) for line in lines]
    assert all(matches)
    return [match[1] for match in matches]


def test_every_event_is_in_the_log_also_those_before_the_folder_and_those_that_are_not_shown(tmp_path):
    terminal = Terminal(Console(file=StringIO()), is_quiet=True)
    for _ in range(2):
        with event_log(terminal) as log:
            terminal.say("Starting Ray")
            log.keep_in(tmp_path)
            with display_on(Console(file=StringIO(), force_terminal=True)) as display:
                play(display)
    lines = lines_of(tmp_path)
    assert lines[0].startswith("INFO gan-sweep ")
    once = [
        "INFO Starting Ray",
        "INFO Starting Ray",
        "INFO tiny-0000 starts  lr=0.00123",
        "DEBUG tiny-0000 step 10 fid 50",
        "INFO tiny-0001 starts  lr=0.00123",
        "DEBUG tiny-0001 step 10 fid 20",
        "INFO [1/3] tiny-0000 stopped early at step 10 fid 50  lr=0.00123",
    ]
    assert [line for line in lines if not line.startswith("INFO gan-sweep ")] == [*once, *once]


@pytest.mark.parametrize("is_terminal", [False, True])
def test_verbose_prints_each_event_once_with_its_time(is_terminal):
    console = Console(file=StringIO(), force_terminal=is_terminal, width=200)
    terminal = Terminal(console, is_verbose=True)
    with event_log(terminal), display_on(console, is_verbose=True) as display:
        play(display)
    shown = console.file.getvalue()
    assert len(re.findall(r"Z DEBUG tiny-0000 step 10 fid 50", shown)) == 1
    assert shown.count("[1/3] tiny-0000 stopped early") == 1


def test_the_log_names_the_error_that_ended_the_command(tmp_path):
    with suppress(ValueError), event_log(Terminal(Console(file=StringIO()))) as log:
        log.keep_in(tmp_path)
        raise ValueError("no")
    assert lines_of(tmp_path)[-1] == "CRITICAL the command ends: ValueError: no"


def test_the_command_line_is_logged_without_credentials(tmp_path, monkeypatch):
    uri = "--tracking-uri=https://me:secret@example.org/mlflow?token=hidden"
    monkeypatch.setattr(sys, "argv", ["gan-sweep", "a file.yaml", uri])
    with event_log(Terminal(Console(file=StringIO()))) as log:
        log.keep_in(tmp_path)
    [line] = lines_of(tmp_path)
    assert line.endswith(": gan-sweep 'a file.yaml' --tracking-uri=https://example.org/mlflow")


def test_after_the_command_the_logger_is_as_it_was():
    before = LOG.level, LOG.propagate, list(LOG.handlers)
    with event_log(Terminal(Console(file=StringIO()), is_verbose=True)):
        assert LOG.isEnabledFor(logging.DEBUG)
    assert (LOG.level, LOG.propagate, LOG.handlers) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_no_error_of_the_logs():
    with event_log(Terminal(Console(file=StringIO()))) as log:
        log._file = open("/dev/full", "a", encoding="utf-8")  # noqa: PTH123, SIM115 - closed by the log
        LOG.info("an event")


def test_a_command_that_was_killed_after_its_log_began_does_not_take_the_name(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    with event_log(Terminal(Console(file=StringIO()))) as log:
        log.keep_in(folder)
    check_results(tmp_path, "tiny")
