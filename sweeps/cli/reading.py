"""The commands that read sweeps."""

import sys
from itertools import islice
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

from gan_core.imports import imports_are_allowed
from sweeps.cli.exits import EXIT_INCOMPLETE
from sweeps.cli.options import (
    NEWEST,
    AllowImports,
    Columns,
    Format,
    Json,
    NameOrNewest,
    NamesOrNewest,
    OutputFormat,
    Results,
    SameTrackingUri,
    TrialOrBest,
)
from sweeps.errors import SweepError
from sweeps.generators.formats import ModelFormat
from sweeps.words import RESULTS, json_text, results_option

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ITEMS = 20
"""How many missing items ``sync`` names."""


def schema_command(
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="SPEC.yaml",
            help="A search-space file with a training loop or components of your own (type --allow-imports,"
            " too): the schema then has exactly the parameters that this file can name. By default, the"
            " schema has the parameters of gan-sweep's own training.",
        ),
    ] = None,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Print the JSON Schema of search-space files, with which editors complete and check them.

    To save it, type gan-sweep schema > schema.json, and begin a search-space file with the line
    # yaml-language-server: $schema=schema.json
    """
    from sweeps.spec.reading import read_spec
    from sweeps.spec.schema import json_schema

    known = read_spec(spec)[0].hyperparameters if spec else None
    print(json_text(json_schema(known)))


def rank_command(
    names: NamesOrNewest = None,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="METRIC",
            help="Rank by this metric, if the sweep has measured it: fid, kid, precision, recall, coverage,"
            " class_kl or images_per_s. By default, the first metric of the sweep's file.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            min=1,
            help="Print the best K trials. By default, a table has at most 100 rows, and CSV and JSON have"
            " all trials.",
        ),
    ] = None,
    stage: Annotated[
        str,
        typer.Option(
            metavar="search|confirm",
            help="search ranks the trials of the search; confirm ranks the finalists by their means over"
            " fresh seeds.",
        ),
    ] = "search",
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="Rank only the trials that meet this condition on the columns: \"loss == 'lsgan' and lr <"
            ' 1e-3". By default, all trials.',
        ),
    ] = None,
    columns: Columns = None,
    format_: OutputFormat = Format.TABLE,
    json_: Json = False,
    results: Results = RESULTS,
) -> None:
    """Rank the trials of a sweep, or of several, best first."""
    from sweeps.analysis.loading import load
    from sweeps.analysis.sweep import Sweep
    from sweeps.cli.table import select_columns

    format_ = _format_of(format_, json_=json_)
    names = names or []
    loaded = load(names[0], results) if len(names) == 1 else load(names, results)
    frame = loaded.rank(by, top, stage, where)
    chosen = select_columns(frame, columns)
    if format_ is not Format.TABLE:
        _print_data(frame if chosen is None else frame[chosen], format_)
    elif isinstance(loaded, Sweep) and stage == "confirm" and by in {None, loaded.metric}:
        from sweeps.cli.printing import print_confirmation

        print_confirmation(loaded, frame, chosen)
    else:
        from sweeps.cli.printing import print_leaderboard

        options = {"--by": by, "--stage": stage if stage != "search" else None, "--where": where}
        given = [part for name, value in options.items() if value is not None for part in (name, value)]
        command = f"gan-sweep rank {join([*names, *given])}{results_option(results)}"
        print_leaderboard(loaded, frame, by, chosen, top, command)


def list_command(
    columns: Columns = None,
    format_: OutputFormat = Format.TABLE,
    json_: Json = False,
    results: Results = RESULTS,
) -> None:
    """List the sweeps, the newest first: status, trials, best trial, winner on fresh seeds, and start."""
    from sweeps.analysis.loading import list_sweeps
    from sweeps.cli.table import select_columns

    format_ = _format_of(format_, json_=json_)
    frame = list_sweeps(results)
    chosen = select_columns(frame, columns)
    if format_ is not Format.TABLE:
        _print_data(frame if chosen is None else frame[chosen], format_)
    else:
        from sweeps.cli.printing import print_sweeps

        print_sweeps(frame, results, chosen)


def sample_command(
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The image file to write: a name that ends with .png or .webp or, with --interpolate, with"
            " .gif, .webp or .png.",
        ),
    ],
    name: NameOrNewest = NEWEST,
    trial: TrialOrBest = None,
    n: Annotated[
        int, typer.Option("--n", metavar="N", min=1, max=10_000, help="The number of images in the grid.")
    ] = 64,
    seed: Annotated[
        int,
        typer.Option(
            metavar="S", min=0, help="The random seed of the noise: the same seed draws the same images."
        ),
    ] = 0,
    interpolate: Annotated[
        bool,
        typer.Option(
            "--interpolate",
            help="Animate the grid: each image walks through the latent space, back to its start. By default,"
            " the images do not move.",
        ),
    ] = False,
    json_: Json = False,
    results: Results = RESULTS,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Draw images with the best generator, or with that of a trial, and write them as one image file."""
    from sweeps.analysis.loading import load
    from sweeps.generators.kept import best_trial
    from sweeps.generators.samples import check_file, with_noise, write_samples, write_walk

    check_file(out, animated=interpolate)
    sweep = load(name, results)
    trial = trial or best_trial(sweep)
    generator = sweep.generator(trial, allow_imports=imports_are_allowed())
    if interpolate:
        write_walk(with_noise(generator, trial), out, n, seed)
    else:
        write_samples(generator, out, n, seed)
    if json_:
        print(json_text({"sweep": name, "trial_id": trial, "files": [str(out)]}))
    else:
        print(out)


def export_command(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder to write, which must be new or empty.")
    ],
    name: NameOrNewest = NEWEST,
    trial: TrialOrBest = None,
    formats: Annotated[
        list[ModelFormat] | None,
        typer.Option(
            "--format",
            metavar="|".join(ModelFormat),
            parser=ModelFormat.named,
            help="Also write the generator in this format. By default, as safetensors alone. Repeatable.",
        ),
    ] = None,
    register: Annotated[
        str | None,
        typer.Option(
            "--register",
            metavar="MODEL",
            help="Also register the folder in MLflow, as a new version of the model MODEL with the alias"
            " champion. By default, nothing is registered.",
        ),
    ] = None,
    tracking_uri: SameTrackingUri = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Export the generator even if its gain over the defaults is not significant on fresh seeds,"
            " its samples may be copies of training images, or it breaks the constraints of the sweep; the"
            " model card then names the reasons. By default, the command refuses such a generator.",
        ),
    ] = False,
    json_: Json = False,
    results: Results = RESULTS,
    trust: AllowImports = False,  # noqa: ARG001 - by its callback
) -> None:
    """Write the best generator, or that of a trial, into a folder for other people.

    The folder has the weights, a script that draws images with them, samples and a model card.
    """
    from sweeps.analysis.loading import load
    from sweeps.generators.export import export
    from sweeps.generators.kept import best_trial
    from sweeps.generators.scripts import snippet

    sweep = load(name, results)
    trial = trial or best_trial(sweep)
    files = export(
        sweep,
        out,
        trial,
        formats=list(dict.fromkeys(formats or [])),
        register_as=register,
        tracking_uri=tracking_uri,
        force=force,
    )
    model = None if register is None else f"models:/{register}@champion"
    if json_:
        written = {"sweep": name, "trial_id": trial, "files": [*map(str, files)], "registered": model}
        print(json_text(written))
        return
    print(*files, sep="\n")
    if model is not None:
        print(f"registered as {model}")
    print(f"\nTo load it:\n\n{snippet(out)}", end="")


def report_command(
    name: NameOrNewest = NEWEST,
    results: Results = RESULTS,
    png: Annotated[
        Path | None,
        typer.Option(
            "--png",
            metavar="DIR",
            help="Also write each plot as a PNG into this folder; needs Kaleido, and Chrome or Chromium.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The page to write. By default, results/NAME/report.html."
        ),
    ] = None,
    json_: Json = False,
) -> None:
    """Write the report of a sweep: one HTML page that needs no network."""
    from sweeps.analysis.loading import load
    from sweeps.report.page import write_report
    from sweeps.report.png import write_pngs

    sweep = load(name, results)
    files = [write_report(sweep, out)]
    files += write_pngs(sweep, png) if png else []
    if json_:
        print(json_text({"sweep": name, "files": [*map(str, files)]}))
    else:
        print(*files, sep="\n")


def sync_command(
    name: NameOrNewest = NEWEST,
    tracking_uri: SameTrackingUri = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Upload until the sweep ends. By default, the command uploads what the record has now, and"
            " ends. If the process of the sweep dies, MLflow shows its runs as running: type the command"
            " again without --follow.",
        ),
    ] = False,
    background: Annotated[
        bool,
        typer.Option(
            "--background",
            help="Give way to training (niceness 15), and ignore SIGINT, SIGTERM and SIGHUP. Each sweep"
            " starts its own upload in this way.",
        ),
    ] = False,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a line of JSON whenever MLflow answers or fails to answer: 'answers' is the number of"
            " its answers, 'failure' is why MLflow is missing a part of the sweep, and 'study_failure' is why"
            " Optuna's study.db is missing trials; without a failure, both are null.",
        ),
    ] = False,
    results: Results = RESULTS,
) -> None:
    """Upload the parts of a sweep that MLflow is missing, for example after its server was down.

    The exit code is 3 if anything could not be uploaded.
    """
    from sweeps.record.reading import read_ledger
    from sweeps.tracking.progress import in_background, upload
    from sweeps.tracking.store import Store

    if background:
        in_background()
    record = read_ledger(name, results)
    store = Store.chosen(results, tracking_uri, record.facts.get("tracking_uri"))
    missing = upload(record.folder, store, follows=follow, as_json=json_)
    for item, reason in islice(missing.items(), MOST_ITEMS):
        print(f"MLflow is missing {item}: {reason}", file=sys.stderr)
    if len(missing) > MOST_ITEMS:
        print(f"MLflow is missing {len(missing) - MOST_ITEMS:,} more items", file=sys.stderr)
    if not json_:
        print(f"MLflow at {store.public} holds {name}" + (" except for these items" if missing else ""))
    raise typer.Exit(EXIT_INCOMPLETE if missing else 0)


def ui_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="The sweep that the printed address opens. By default, all sweeps."
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Listen on this port. By default 5000 or, if it is taken, a free port."
        ),
    ] = None,
    results: Results = RESULTS,
) -> None:
    """Serve MLflow's dashboard on 127.0.0.1, and print its address; Ctrl-C ends it."""
    from sweeps.tracking.dashboard import serve_dashboard

    raise typer.Exit(serve_dashboard(results, name, port))


def _format_of(format_: Format, *, json_: bool) -> Format:
    """Return the format that ``--format`` and its shorthand ``--json`` ask for.

    Raises:
        SweepError: They contradict each other.
    """
    if json_ and format_ is Format.CSV:
        raise SweepError("--json and --format csv contradict each other: type one of the two")
    return Format.JSON if json_ else format_


def _print_data(frame: "DataFrame", format_: Format) -> None:
    """Print a frame as CSV or JSON."""
    from sweeps.analysis.summary import json_records

    if format_ is Format.CSV:
        print(frame.to_csv(index=False), end="")
    else:
        print(json_text(json_records(frame)))
