"""The command ``gan-sweep``; whatever is heavy is imported by the command that needs it."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from gan_core.errors import GanCoreError
from gan_core.registry import allow_imports, imports, imports_are_allowed
from sweeps.errors import DamagedLedgerWarning, SweepError, SweepInterrupted
from sweeps.formats import ModelFormat
from sweeps.status import Status
from sweeps.words import json_text, results_option

if TYPE_CHECKING:
    from pandas import DataFrame

    from sweeps.runner import Outcome
    from sweeps.spec import SweepSpec

RUN = "run"
EXIT_NO_TRIAL_SUCCEEDED = 1
EXIT_DIFFERENT = 1
EXIT_BAD_INPUT = 2
EXIT_SOME_TRIALS_FAILED = 3
SIGNAL_EXIT_BASE = 128


class _RunByDefault(TyperGroup):
    """Reads ``gan-sweep SPEC.yaml`` as ``gan-sweep run SPEC.yaml``."""

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override] # noqa: ANN401 - typer's own types
        if args[0] not in self.commands and Path(args[0]).suffix in {".yaml", ".yml"}:
            args = [RUN, *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search the hyperparameters of a GAN by the quality of its samples.\n\n"
    "[bold]gan-sweep search_spaces/lsgan.yaml[/bold] runs a sweep, as [bold]gan-sweep run[/bold] does.",
)


class Format(StrEnum):
    """How a leaderboard is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


SpecFile = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The search-space file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value: parameters.steps=500. Repeatable."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The sweep's name.")]
TrialOrBest = Annotated[str | None, typer.Option(metavar="T", help="A trial; by default the best.")]
TimeBudget = Annotated[
    str | None, typer.Option("--time-budget", metavar="T", help="When to end: 90m, 2h or seconds.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", metavar="URI", help="Where MLflow keeps runs: http://HOST:PORT or the like."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", metavar="auto|HOST:PORT", help="Run on a Ray cluster that runs already, not here."
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="DIR|s3://...|gs://...",
        help="Where all nodes keep the states of unfinished trials.",
    ),
]
Results = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where sweeps are kept.")]
AllowImports = Annotated[
    bool,
    typer.Option(
        "--allow-imports",
        help="Import components that are named MODULE:NAME, which runs their code: only if you trust it.",
        callback=lambda allowed: _allow_imports(allowed),
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; the rest goes to stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show nothing while it runs.")]


@app.command(RUN)
def run_command(
    spec: SpecFile,
    set_: Settings = None,
    trials: Annotated[int | None, typer.Option(metavar="N", help="How many configurations to train.")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The sweep's name; it must be free.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Fixes the suggestions and all training.")
    ] = None,
    results: Results = Path("results"),
    time_budget: TimeBudget = None,
    warm_start: Annotated[
        str | None,
        typer.Option("--warm-start", metavar="NAME", help="Begin with what an earlier sweep was told."),
    ] = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be run, as preview does; start nothing.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Run the sweep that a file describes."""
    from rich.console import Console

    from sweeps.runner import Target, execute
    from sweeps.spec import check_name
    from sweeps.storage import storage_uri

    options = {"trials": trials, "seed": seed, "time_budget": time_budget}
    checked = _checked(spec, set_, options)
    check_name(name)
    if dry_run:
        if storage is not None:
            storage_uri(storage)
        if warm_start is not None:
            from sweeps.warmstart import earlier_sweep

            earlier_sweep(checked, warm_start, results)
        _show(checked, json_=json_)
        return
    console = Console(stderr=True)
    with _signals_as_exit_codes():
        outcome = execute(
            checked,
            name=name,
            results=results,
            console=console,
            quiet=quiet,
            warm_start=warm_start,
            tracking_uri=tracking_uri,
            target=Target(address, storage),
        )
    _conclude(outcome, results, json_=json_)


@app.command("resume")
def resume_command(
    name: Name,
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many trials it shall have in all.")
    ] = None,
    time_budget: TimeBudget = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    results: Results = Path("results"),
    json_: Json = False,
    quiet: Quiet = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Go on with a sweep that was stopped, in whatever way, or extend one."""
    from rich.console import Console

    from sweeps.runner import Target, resume
    from sweeps.spec import parse_budget

    seconds = parse_budget(time_budget)
    console = Console(stderr=True)
    with _signals_as_exit_codes():
        outcome = resume(
            name,
            trials=trials,
            time_budget=seconds,
            tracking_uri=tracking_uri,
            target=Target(address, storage),
            results=results,
            console=console,
            quiet=quiet,
        )
    _conclude(outcome, results, json_=json_)


@app.command("preview")
def preview_command(
    spec: SpecFile,
    set_: Settings = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON document, without times.")] = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Show the space, examples of it, and what a sweep would cost; start and write nothing."""
    _show(_checked(spec, set_, {}), json_=json_)


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of search-space files, for editors."""
    from sweeps.schema import json_schema

    print(json_text(json_schema()))


@app.command("confirm")
def confirm_command(
    name: Name,
    top: Annotated[
        int | None, typer.Option(metavar="K", help="The K best configurations, beside the defaults.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(metavar="S", help="On how many fresh seeds.")] = None,
    until_resolved: Annotated[
        bool, typer.Option("--until-resolved", help="Train further seeds where the order is still open.")
    ] = False,
    max_seeds: Annotated[
        int | None, typer.Option("--max-seeds", metavar="N", help="The most seeds, until resolved.")
    ] = None,
    tracking_uri: TrackingUri = None,
    address: Address = None,
    storage: StorageOption = None,
    results: Results = Path("results"),
    json_: Json = False,
    quiet: Quiet = False,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Train the best configurations and the defaults again on fresh seeds, and say which is best."""
    from rich.console import Console

    from sweeps.ranking import load
    from sweeps.runner import Target, confirm
    from sweeps.spec import confirm_settings

    options = {"top": top, "seeds": seeds, "until_resolved": until_resolved or None, "max_seeds": max_seeds}
    settings = confirm_settings(load(name, results).facts["spec"].get("confirm"), options)
    console = Console(stderr=True)
    with _signals_as_exit_codes():
        outcome = confirm(
            name,
            settings,
            tracking_uri=tracking_uri,
            target=Target(address, storage),
            results=results,
            console=console,
            quiet=quiet,
        )
    _tell_what_is_missing(outcome, results)
    if json_:
        print(json_text(outcome.sweep.summary()["confirmation"]))
    else:
        from sweeps.printing import print_confirmation

        print_confirmation(outcome.sweep, outcome.sweep.rank(stage="confirm"))
    raise typer.Exit(_exit_code_of_confirmation(outcome))


@app.command("rank")
def rank_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="The sweep's name; of several, one table.")
    ],
    by: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Another metric than the sweep's, such as kid.")
    ] = None,
    top: Annotated[int | None, typer.Option(metavar="K", min=1, help="Only the best K trials.")] = None,
    stage: Annotated[
        str, typer.Option(help="search, or confirm: the finalists over fresh seeds.")
    ] = "search",
    where: Annotated[
        str | None, typer.Option(metavar="CONDITION", help="Only these trials: \"loss == 'lsgan'\".")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    results: Results = Path("results"),
) -> None:
    """Rank the trials of a sweep, or of several, best first."""
    from sweeps.ranking import Sweep, load

    loaded = load(names[0], results) if len(names) == 1 else load(names, results)
    frame = loaded.rank(by, top, stage, where)
    if format_ is not Format.TABLE:
        _print_data(frame, format_)
    elif isinstance(loaded, Sweep) and stage == "confirm" and by in {None, loaded.metric}:
        from sweeps.printing import print_confirmation

        print_confirmation(loaded, frame)
    else:
        from sweeps.printing import print_leaderboard

        print_leaderboard(loaded, frame, by)


@app.command("list")
def list_command(
    format_: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
    results: Results = Path("results"),
) -> None:
    """List the sweeps: their state, trials, best trial, and when they began."""
    from sweeps.ranking import list_sweeps

    frame = list_sweeps(results)
    if format_ is not Format.TABLE:
        _print_data(frame, format_)
    else:
        from sweeps.printing import print_sweeps

        print_sweeps(frame, results)


@app.command("sample")
def sample_command(
    name: Name,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The image: .png, or .gif or .webp.")],
    trial: TrialOrBest = None,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, max=10_000, help="How many images.")] = 64,
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of the noise.")] = 0,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="An animated walk through the latent space.")
    ] = False,
    results: Results = Path("results"),
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Draw images from the best generator, or a trial's."""
    from sweeps.ranking import load
    from sweeps.samples import check_file, write_samples, write_walk

    check_file(out, animated=interpolate)
    generator = load(name, results).generator(trial, allow_imports=imports_are_allowed())
    (write_walk if interpolate else write_samples)(generator, out, n, seed)
    print(out)


@app.command("export")
def export_command(
    name: Name,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
    trial: TrialOrBest = None,
    formats: Annotated[
        list[ModelFormat] | None,
        typer.Option("--format", help="Write this too, beside the safetensors. Repeatable."),
    ] = None,
    register: Annotated[
        str | None,
        typer.Option("--register", metavar="MODEL", help="Put it into MLflow's model registry as champion."),
    ] = None,
    tracking_uri: TrackingUri = None,
    force: Annotated[
        bool, typer.Option("--force", help="Although its gain may be noise, or it may be copies.")
    ] = False,
    results: Results = Path("results"),
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Write the best generator, or a trial's, with what loads it and a card that says what it is."""
    from sweeps.export import export, snippet
    from sweeps.ranking import load

    wanted = list(dict.fromkeys(formats or []))
    sweep = load(name, results)
    files = export(
        sweep,
        trial,
        out,
        formats=wanted,
        register_as=register,
        tracking_uri=tracking_uri,
        force=force,
    )
    print(*files, sep="\n")
    if register is not None:
        print(f"registered as models:/{register}@champion")
    print(f"\nTo draw from it, with torch and gan_core alone:\n\n{snippet(out)}", end="")


@app.command("rerun")
def rerun_command(
    name: Name,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The trial, such as lsgan-0003.")],
    results: Results = Path("results"),
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Train a trial again, outside of Ray, and compare it with what was recorded; 1 where it differs."""
    from sweeps.ranking import load
    from sweeps.rerun import rerun

    sweep = load(name, results)
    equal = True
    for report in rerun(sweep, trial):
        now, then = report.metrics[sweep.metric], report.recorded[sweep.metric]
        verdict = "as recorded" if report.is_equal else f"recorded {then:.6g}: not the same"
        print(f"step {report.step}  {sweep.metric} {now:.6g}  {verdict}", flush=True)
        equal = equal and report.is_equal
    raise typer.Exit(0 if equal else EXIT_DIFFERENT)


@app.command("report")
def report_command(
    name: Name,
    results: Results = Path("results"),
    png: Annotated[
        Path | None, typer.Option("--png", metavar="DIR", help="Write each plot as a PNG too, into DIR.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The page, if not results/NAME/report.html.")
    ] = None,
) -> None:
    """Write one page that tells a sweep's story; it opens without a network."""
    from sweeps.ranking import load
    from sweeps.report import write_pngs, write_report

    sweep = load(name, results)
    print(write_report(sweep, out))
    for file in write_pngs(sweep, png) if png else []:
        print(file)


@app.command("sync")
def sync_command(name: Name, tracking_uri: TrackingUri = None, results: Results = Path("results")) -> None:
    """Send MLflow what it lacks of a sweep, as after its server was down."""
    from sweeps.ledger import read_ledger
    from sweeps.tracking import Store, sync

    record = read_ledger(name, results)
    store = Store.chosen(results, tracking_uri, record.facts.get("tracking_uri"))
    refusals = sync(record.folder, store)
    for trial_id, refusal in refusals.items():
        print(f"MLflow refuses {trial_id}: {refusal}", file=sys.stderr)
    print(f"MLflow at {store.public} has what {name} holds" + (" but for those" if refusals else ""))
    raise typer.Exit(EXIT_SOME_TRIALS_FAILED if refusals else 0)


@app.command("ui")
def ui_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A sweep, to open on its trials.")
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Open MLflow's dashboard on this machine's loopback address."""
    from sweeps.dashboard import serve_dashboard

    raise typer.Exit(serve_dashboard(results, name))


def main() -> None:
    """Run the command line; errors that a user can mend are one message a fault, and exit code 2.

    Users' own components may lie in the directory that the command is started in, as for ``python -m``.
    """
    sys.path.insert(0, str(Path.cwd()))
    warnings.showwarning = partial(_show_warning, warnings.showwarning)
    try:
        with imports(allowed=False):
            app()
    except (SweepError, GanCoreError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


def _allow_imports(allowed: bool) -> bool:
    if allowed:
        allow_imports(True)
    return allowed


def _show_warning(
    usual: Callable[..., None], message: Warning | str, category: type[Warning], *where: object
) -> None:
    """Show what a person is to know in a line, and what a developer is to know as usual."""
    if issubclass(category, DamagedLedgerWarning):
        print(f"warning: {message}", file=sys.stderr)
    else:
        usual(message, category, *where)


def _checked(spec: Path, settings: list[str] | None, options: dict[str, Any]) -> "SweepSpec":
    """Read and check a file under ``--set`` and other options; what would not be used is said."""
    from sweeps.spec import Override, parse_setting, read_spec

    overrides = [parse_setting(setting) for setting in settings or []]
    for option, value in options.items():
        if value is not None:
            overrides.append(Override(f"--{option.replace('_', '-')} {value}", (option,), value))
    with redirect_stdout(sys.stderr):
        checked, remarks = read_spec(spec, overrides)
    for remark in remarks:
        print(f"warning: {remark}", file=sys.stderr)
    return checked


def _show(spec: "SweepSpec", *, json_: bool) -> None:
    from sweeps.preview import TABLE_WIDTH, as_json, print_preview

    if json_:
        print(json_text(as_json(spec)))
    else:
        from rich.console import Console

        print_preview(spec, Console(highlight=False, width=TABLE_WIDTH))


def _print_data(frame: "DataFrame", format_: Format) -> None:
    """Print a frame for programs to read."""
    from sweeps.ranking import as_records

    if format_ is Format.CSV:
        print(frame.to_csv(index=False), end="")
    else:
        print(json_text(as_records(frame)))


@contextmanager
def _signals_as_exit_codes() -> Iterator[None]:
    """Exit as shells have it where a signal came before the sweep had begun."""
    try:
        yield
    except SweepInterrupted as interruption:
        raise typer.Exit(SIGNAL_EXIT_BASE + interruption.signal_number) from None


def _conclude(outcome: "Outcome", results: Path, *, json_: bool) -> None:
    """Print how a sweep ended, and exit."""
    _tell_what_is_missing(outcome, results)
    if json_:
        print(json_text(outcome.sweep.summary()))
    else:
        from sweeps.printing import print_summary

        print_summary(outcome, results)
    raise typer.Exit(_exit_code(outcome))


def _tell_what_is_missing(outcome: "Outcome", results: Path) -> None:
    if outcome.report_failure:
        failure = outcome.report_failure
        print(f"the report page was not written: {type(failure).__name__}: {failure}", file=sys.stderr)
    if outcome.tracking_failure:
        is_elsewhere = outcome.sweep.facts.get("tracking_uri")
        uri = " --tracking-uri URI, with its credentials if it asks for any" if is_elsewhere else ""
        command = f"gan-sweep sync {outcome.sweep.name}{results_option(results)}{uri}"
        print(
            f"MLflow lacks a part of this sweep: {outcome.tracking_failure}; to send it: {command}",
            file=sys.stderr,
        )


def _exit_code_of_confirmation(outcome: "Outcome") -> int:
    if outcome.signal_number is not None:
        return SIGNAL_EXIT_BASE + outcome.signal_number
    if not outcome.sweep.count_replicas(Status.COMPLETED):
        return EXIT_NO_TRIAL_SUCCEEDED
    return EXIT_SOME_TRIALS_FAILED if outcome.sweep.count_replicas(Status.CRASHED) else 0


def _exit_code(outcome: "Outcome") -> int:
    if outcome.signal_number is not None:
        return SIGNAL_EXIT_BASE + outcome.signal_number
    ended_well = outcome.sweep.count(Status.COMPLETED) + outcome.sweep.count(Status.PRUNED)
    has_verdict = outcome.out_of_time and outcome.sweep.summary()["best"] is not None
    if not ended_well and not has_verdict:
        return EXIT_NO_TRIAL_SUCCEEDED
    n_failed = outcome.sweep.count(Status.CRASHED) + outcome.sweep.count_replicas(Status.CRASHED)
    return EXIT_SOME_TRIALS_FAILED if n_failed else 0
