from io import StringIO

from rich.console import Console

from sweeps.driver import progress
from sweeps.driver.progress import Display, Terminal
from sweeps.record.past import Past
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.spec.constraints import parsed
from sweeps.spec.sections import Metric


def trial(number):
    return Trial(f"tiny-{number:04d}", number, {"lr": 0.00123}, {"lr": 0.00123, "steps": 20}, number == 0)


def display_on(console, rows=(), constraints=(), **terminal):
    past = Past([*rows], {})
    return Display(Terminal(console, **terminal), "tiny", 3, Metric(), past, parsed(constraints))


def play(display):
    display.say("Starting Ray")
    display.start(trial(0))
    display.report(trial(0), 10, 50.0)
    display.start(trial(1))
    display.report(trial(1), 10, 20.0)
    display.end(trial(0), Status.PRUNED, 50.0)


def rendered(display):
    console = Console(file=StringIO(), width=160)
    console.print(display)
    return console.file.getvalue()


def test_without_a_terminal_each_event_is_a_plain_line():
    console = Console(file=StringIO(), width=20)
    with display_on(console) as display:
        play(display)
        display.end(trial(1), Status.CRASHED, None, "ValueError: no")
    assert console.file.getvalue().splitlines() == [
        "Starting Ray",
        "[1/3] tiny-0000 stopped early at step 10 fid 50  lr=0.00123",
        "[2/3] tiny-0001 failed at step 10 (ValueError: no)  lr=0.00123",
    ]


def test_in_a_terminal_one_display_shows_the_state():
    console = Console(file=StringIO(), force_terminal=True, width=160)
    with display_on(console) as display:
        play(display)
        shown = rendered(display)
    assert "1/3 trials, 1 running, 1 stopped early, 0 failed" in shown
    assert "best fid 20 tiny-0001  lr=0.00123" in shown
    assert "tiny-0001  step 10/20  fid 20" in shown
    assert "[1/3]" not in console.file.getvalue()


def test_quiet_shows_nothing():
    console = Console(file=StringIO(), force_terminal=True)
    with display_on(console, is_quiet=True) as display:
        play(display)
    assert console.file.getvalue() == ""


def test_progress_is_a_new_line_every_ten_seconds_at_most_and_only_if_it_has_changed(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress, "monotonic", lambda: now)
    console = Console(file=StringIO())
    with Terminal(console).announced("Loading mine") as show:
        for now in (1.0, 9.0, 11.0, 12.0, 20.0, 22.0):
            show(f"step {now:.0f}")
        now = 40.0
        show("step 22")
    lines = ["Loading mine", "Loading mine: step 11", "Loading mine: step 22"]
    assert console.file.getvalue().splitlines() == lines


def test_progress_in_a_terminal_is_drawn_in_place():
    console = Console(file=StringIO(), force_terminal=True, width=80)
    with Terminal(console).announced("Loading mine") as show:
        show("step 1")
        show("step 2")
    assert "Loading mine: step 2" in console.file.getvalue()


def ended(number, status, score):
    params = trial(number).config
    row = {"trial_id": f"tiny-{number:04d}", "number": number, "params": params, "config": params}
    return row | {
        "status": status,
        "score": score,
        "is_baseline": 0,
        "stage": "search",
        "of": None,
        "drawn": None,
        "best_metrics": {"fid": score, "kid": score / 10},
        "final": None,
    }


def test_a_resumed_sweep_shows_the_best_of_earlier_runs_and_none_that_failed():
    rows = [ended(0, Status.COMPLETED, 40.0), ended(1, Status.DIVERGED, 5.0)]
    display = display_on(Console(file=StringIO(), force_terminal=True, width=160), rows)
    assert "best fid 40 tiny-0000" in rendered(display)
    display.start(trial(2))
    display.report(trial(2), 10, 30.0)
    assert "best fid 30 tiny-0002" in rendered(display)
    display.end(trial(2), Status.DIVERGED, None)
    assert "best fid 40 tiny-0000" in rendered(display)


def test_after_further_seeds_the_best_configuration_by_means_is_shown():
    rows = [ended(0, Status.COMPLETED, 40.0), ended(1, Status.COMPLETED, 45.0)]
    display = display_on(Console(file=StringIO(), force_terminal=True, width=160), rows)
    display.lead(("tiny-0001", 46.0, 3))
    assert "best fid 46 (estimated mean, 3 seeds) tiny-0001" in rendered(display)


def test_a_trial_that_breaks_a_constraint_is_the_best_only_if_all_do():
    rows = [ended(0, Status.COMPLETED, 40.0)]
    display = display_on(
        Console(file=StringIO(), force_terminal=True, width=160), rows, constraints=["kid <= 3"]
    )
    assert "best fid 40 tiny-0000  breaks a constraint, as all do" in rendered(display)
    for number, score, meets in ((1, 50.0, None), (2, 60.0, True), (3, 20.0, False)):
        display.start(trial(number))
        display.report(trial(number), 10, score, meets)
    assert "best fid 50 tiny-0001" in rendered(display)
    display.end(trial(1), Status.COMPLETED, 49.0, None, False)
    assert "best fid 60 tiny-0002" in rendered(display)
