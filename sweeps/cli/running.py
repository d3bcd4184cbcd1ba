"""The commands that train: run, resume, confirm, rerun, and preview."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli.exits import EXIT_DIFFERENT, exit_code_of, n_failed, signals_as_exit_codes
from sweeps.cli.options import (
    NEWEST,
    Address,
    AllowImports,
    ChangedCode,
    Json,
    Name,
    NameOrNewest,
    Quiet,
    Results,
    SameTrackingUri,
    Settings,
    SpecFile,
    StorageOption,
    Strict,
    TimeBudget,
    TrackingUri,
    Trials,
    Verbose,
)
from sweeps.words import RESULTS, counted, json_text, results_option

if TYPE_CHECKING:
    from sweeps.driver.request import Request
    from sweeps.driver.runner import Outcome
    from sweeps.spec.model import SweepSpec
    from sweeps.spec.overrides import Override


def run_command(
    spec: SpecFile,
    set_: Settings = None,
    trials: Trials = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The name of the sweep, and of its folder in the results folder; the command refuses a name"
            " that is taken. By default, the file's name; if it is taken, NAME-2, NAME-3 and so on.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The random seed, from which the sampler and each trial get their own seeds. By default, the"
            " file's seed, or 0.",
        ),
    ] = None,
    results: Results = RESULTS,
    time_budget: TimeBudget = None,
    warm_start: Annotated[
        str | None,
        typer.Option(
            "--warm-start",
            metavar="NAME",
            help="Start from this earlier sweep. If its scores are comparable with the new ones, the sampler"
            " learns from them; if not, the new sweep tries the best configurations of the earlier sweep"
            " first. By default, a sweep starts from nothing.",
        ),
    ] = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Start nothing: show what gan-sweep preview shows.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    strict: Strict = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Run the sweep that a search-space file describes.

    gan-sweep SPEC.yaml does the same. The results are in the folder results/NAME. Ctrl-C stops the sweep, and
    gan-sweep resume continues it.
    """
    from sweeps.cluster.storage import storage_uri
    from sweeps.driver.runner import execute

    options = {"trials": trials, "seed": seed, "time_budget": time_budget}
    checked = _checked(spec, set_, options)
    if dry_run:
        from sweeps.spec.reading import check_name

        check_name(name)
        if storage is not None:
            storage_uri(storage)
        if warm_start is not None:
            from sweeps.search.warmstart import earlier_sweep

            if sentence := earlier_sweep(checked, warm_start, results).sentence:
                print(sentence, file=sys.stderr)
        _show(checked, json_=json_)
        return
    request = _request(results, tracking_uri, address, storage, quiet=quiet, verbose=verbose)
    with _training():
        outcome = execute(checked, request, name=name, warm_start=warm_start)
    _conclude(outcome, results, json_=json_, strict=strict)


def resume_command(
    name: NameOrNewest = NEWEST,
    trials: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="The number of trials of the search in all, earlier trials included. By default, as many as"
            " before.",
        ),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget",
            metavar="T",
            help="End the sweep again after this time: 90m, 2h, 1d or seconds. By default, no limit: an"
            " earlier time budget does not count.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a value of the sweep: confirm.seeds=5, or resources.gpu=0.5. KEY is"
            " checkpoint_every, confirm, keep, resources, retries, time_budget, trial_timeout or trials."
            " Repeatable.",
        ),
    ] = None,
    tracking_uri: SameTrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    changed_code: ChangedCode = False,
    results: Results = RESULTS,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    strict: Strict = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Continue a sweep that was stopped or killed, or extend a finished sweep.

    Trials that have ended are not trained again, and unfinished trials resume from their last checkpoints. A
    finished sweep stays as it is unless --trials or --set asks for more.
    """
    from sweeps.driver.runner import resume_sweep

    changes = _overrides(set_, {"trials": trials, "time_budget": time_budget})
    request = _request(
        results, tracking_uri, address, storage, quiet=quiet, verbose=verbose, changed_code=changed_code
    )
    with _training():
        outcome = resume_sweep(name, request, changes)
    _conclude(outcome, results, json_=json_, strict=strict)


def preview_command(
    spec: SpecFile,
    trials: Trials = None,
    time_budget: TimeBudget = None,
    set_: Settings = None,
    json_: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON document, which has no estimate of the time."),
    ] = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Show what a sweep would train, and the time and disk that it would take; start nothing.

    The command shows the search space, ten random configurations, and the images of a folder.
    """
    _show(_checked(spec, set_, {"trials": trials, "time_budget": time_budget}), json_=json_)


def check_command(
    spec: SpecFile,
    set_: Settings = None,
    address: Address = None,
    json_: Json = False,
    quiet: Quiet = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Check your own training loop or components, as a sweep does before its first trial.

    The command trains a few steps, and writes no results. Type --allow-imports, too.
    """
    from sweeps.driver.checking import check_users_code, lines

    checked = _checked(spec, set_, {})
    request = _request(RESULTS, None, address, None, quiet=quiet, verbose=False)
    with _training():
        found = check_users_code(checked, request)
    if json_:
        print(json_text([asdict(each) for each in found]))
    elif found:
        print("\n\n".join("\n".join(lines(each)) for each in found))
    else:
        print(f"{spec} names no code of your own: there is nothing to check")


def confirm_command(
    name: NameOrNewest = NEWEST,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Train the K best configurations of the search, and the defaults besides. By default, the"
            " file's confirm.top, or 3.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="S",
            help="Train each configuration on S seeds that the search has not used, the same for all. By"
            " default, the file's confirm.seeds, or 3.",
        ),
    ] = None,
    until_resolved: Annotated[
        bool,
        typer.Option(
            "--until-resolved",
            help="After S seeds, add seeds until the best configuration is significantly better than every"
            " other one, or until there are N seeds (--max-seeds). By default, the command ends after S"
            " seeds, unless the file has confirm.until_resolved.",
        ),
    ] = False,
    max_seeds: Annotated[
        int | None,
        typer.Option(
            "--max-seeds",
            metavar="N",
            help="With --until-resolved: train no configuration on more than N seeds. By default, the file's"
            " confirm.max_seeds; without it, or with --seeds, 10, or S if S is larger.",
        ),
    ] = None,
    tracking_uri: SameTrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    changed_code: ChangedCode = False,
    results: Results = RESULTS,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    strict: Strict = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Train the best configurations and the defaults again on fresh seeds, and compare them.

    What an earlier confirmation has trained counts, and is not trained again.
    """
    from sweeps.driver.runner import confirm_sweep

    options = {"top": top, "seeds": seeds, "until_resolved": until_resolved or None, "max_seeds": max_seeds}
    request = _request(
        results, tracking_uri, address, storage, quiet=quiet, verbose=verbose, changed_code=changed_code
    )
    before = _ended_replicas(name, results)
    with _training():
        outcome = confirm_sweep(name, options, request)
    _report_failures(outcome, results)
    if outcome.signal_number is None and _ended_replicas(name, results) == before:
        print(
            "nothing was trained: every training of this confirmation had ended before; for more, raise"
            " --top, --seeds or --max-seeds",
            file=sys.stderr,
        )
    if json_:
        print(json_text(outcome.sweep.summary()["confirmation"]))
    elif outcome.sweep.confirmed():
        from sweeps.cli.printing import print_confirmation

        print_confirmation(outcome.sweep, outcome.sweep.rank(stage="confirm"))
    raise typer.Exit(exit_code_of(outcome, strict=strict))


def _ended_replicas(name: str, results: Path) -> int:
    """Return how many trainings of a sweep's confirmations have ended."""
    from sweeps.record.past import UNFINISHED
    from sweeps.record.reading import read_ledger

    return sum(row["status"] not in UNFINISHED for row in read_ledger(name, results).replicas)


def rerun_command(
    name: Name,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The trial, for example lsgan-0003.")],
    results: Results = RESULTS,
    json_: Json = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Train a trial again, outside of Ray, and compare its reports with the record.

    The exit code is 1 if any report differs. On the same CPU, all are equal, bit for bit.
    """
    from sweeps.analysis.loading import load
    from sweeps.driver.rerun import rerun

    sweep = load(name, results)
    reports = []
    for report in rerun(sweep, trial):
        now, then = report.metrics[sweep.metric], report.recorded[sweep.metric]
        verdict = "as recorded" if report.is_equal else f"differs: recorded {then:.6g}"
        line = f"step {report.step}  {sweep.metric} {now:.6g}  {verdict}"
        print(line, file=sys.stderr if json_ else sys.stdout, flush=True)
        reports.append(report)
    if reasons := {report.reason for report in reports if report.reason and not report.is_equal}:
        print(*reasons, file=sys.stderr)
    if json_:
        print(json_text([asdict(report) | {"is_equal": report.is_equal} for report in reports]))
    raise typer.Exit(0 if all(report.is_equal for report in reports) else EXIT_DIFFERENT)


@contextmanager
def _training() -> Iterator[None]:
    """Print to stderr what Ray and users' code print to stdout, and exit with the code of a signal."""
    with redirect_stdout(sys.stderr), signals_as_exit_codes():
        yield


def _request(
    results: Path,
    tracking_uri: str | None,
    address: str | None,
    storage: str | None,
    *,
    quiet: bool,
    verbose: bool,
    changed_code: bool = False,
) -> "Request":
    from rich.console import Console

    from sweeps.driver.progress import Terminal
    from sweeps.driver.request import Request

    terminal = Terminal(Console(stderr=True), quiet, verbose)
    return Request(results, tracking_uri, address, storage, terminal, changed_code=changed_code)


def _overrides(settings: list[str] | None, options: dict[str, Any]) -> "list[Override]":
    """Return the values of ``--set`` and of the options that were given."""
    from sweeps.spec.overrides import Override, parse_setting

    overrides = [parse_setting(setting) for setting in settings or []]
    for option, value in options.items():
        if value is not None:
            overrides.append(Override(f"--{option.replace('_', '-')} {value}", (option,), value))
    return overrides


def _checked(spec: Path, settings: list[str] | None, options: dict[str, Any]) -> "SweepSpec":
    """Return the spec of a file with the options' values, and warn of parameters that no trial uses."""
    from sweeps.spec.reading import read_spec

    overrides = _overrides(settings, options)
    with redirect_stdout(sys.stderr):
        checked, remarks = read_spec(spec, overrides)
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
    return checked


def _show(spec: "SweepSpec", *, json_: bool) -> None:
    from sweeps.driver.preview import TABLE_WIDTH, as_json, print_preview

    if json_:
        print(json_text(as_json(spec)))
    else:
        from rich.console import Console

        print_preview(spec, Console(highlight=False, width=TABLE_WIDTH))


def _conclude(outcome: "Outcome", results: Path, *, json_: bool, strict: bool) -> None:
    """Print the summary of a sweep, and exit."""
    _report_failures(outcome, results)
    if json_:
        print(json_text(outcome.sweep.summary()))
    else:
        from sweeps.cli.printing import print_summary

        print_summary(outcome, results)
    raise typer.Exit(exit_code_of(outcome, strict=strict))


def _report_failures(outcome: "Outcome", results: Path) -> None:
    """Print to stderr what failed without ending the sweep."""
    if failed := n_failed(outcome.sweep):
        report = f"gan-sweep report {outcome.sweep.name}{results_option(results)}"
        print(
            f"{counted(failed, 'trial')} failed; the errors are on the report page: {report}",
            file=sys.stderr,
        )
    if outcome.report_failure:
        failure = outcome.report_failure
        print(f"the report page was not written: {type(failure).__name__}: {failure}", file=sys.stderr)
    if outcome.tracking_failure:
        is_elsewhere = outcome.sweep.facts.get("tracking_uri")
        uri = (
            " --tracking-uri URI (with user and password, if the server asks for them)"
            if is_elsewhere
            else ""
        )
        command = f"gan-sweep sync {outcome.sweep.name}{results_option(results)}{uri}"
        print(
            f"MLflow is missing a part of this sweep: {outcome.tracking_failure}; to upload it: {command}",
            file=sys.stderr,
        )
