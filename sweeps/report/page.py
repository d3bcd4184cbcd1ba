"""A sweep's story on one page: a file that opens without a network."""

from collections.abc import Iterator
from pathlib import Path
from time import localtime, strftime
from typing import Any

from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import number, verdict
from sweeps.errors import SweepError
from sweeps.record.layout import report_file
from sweeps.record.reading import standing
from sweeps.record.status import Status
from sweeps.report.contact_sheet import contact_sheet
from sweeps.report.figures import as_page_json, plots_of
from sweeps.report.tables import cell, confirmation_table, failures_table, trial_table
from sweeps.spec.yaml_text import spec_as_yaml
from sweeps.words import counted, duration, results_option


def write_report(sweep: Sweep, file: Path | None = None) -> Path:
    """Write the page, also while the sweep runs, and return where: by default in the sweep's folder.

    Raises:
        SweepError: The file cannot be written.
    """
    target = file or report_file(sweep.folder)
    page, draft = render(sweep), target.with_name(f"{target.name}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(page, encoding="utf-8")
        draft.replace(target)
    except OSError as error:
        raise SweepError(
            f"{target} cannot be written: {error.strerror}; choose another: --out FILE"
        ) from None
    return target


def render(sweep: Sweep) -> str:
    """Return the page as HTML; names, reasons and tracebacks are escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from plotly.offline import get_plotlyjs

    from sweeps.report.look import template

    page = Environment(
        loader=PackageLoader("sweeps.report"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page.filters["number"] = number
    plots = plots_of(sweep)
    return page.get_template("report.html").render(
        sweep=sweep,
        facts=_facts(sweep),
        verdict=verdict(sweep),
        choices=_choices(sweep),
        confirmation=confirmation_table(sweep),
        sheet=contact_sheet(sweep),
        labels=_labels(sweep),
        plots=plots,
        figures={plot.name: as_page_json(plot.figure) for plot in plots},
        templates={
            "light": template().to_plotly_json(),
            "dark": template(dark=True).to_plotly_json(),
        },
        table=trial_table(sweep),
        failures=failures_table(sweep),
        spec=spec_as_yaml(sweep.facts["spec"]),
        environment=sweep.facts.get("environment", {}),
        commands=_commands(sweep),
        plotly_js=get_plotlyjs(),
    )


def _facts(sweep: Sweep) -> list[str]:
    """Return what is said of a sweep under its name."""
    spec, summary = sweep.facts["spec"], sweep.summary()
    told = [counted(len(sweep.trials), "trial")]
    told += [
        f"{count} {Status(status).words}" for status, count in summary["trials"].items() if len(sweep.trials)
    ]
    if "dataset" in spec:
        told.append(f"{spec['dataset']} by {spec.get('method', 'tpe')}")
    if summary["seconds"] is not None:
        told.append(f"took {duration(summary['seconds'])}")
    moment = sweep.facts.get("ended_at") or sweep.facts.get("started_at")
    is_running = summary["status"] == Status.RUNNING
    if moment:
        said = "running since" if is_running else "ended"
        told.append(f"{said} {strftime('%Y-%m-%d %H:%M', localtime(moment))}")
    return told


def _labels(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """Return what the contact sheet says of each trial."""
    confirmed = sweep.confirmed()
    winner = confirmed and confirmed.winner
    return {
        row["trial_id"]: {
            "score": row[sweep.metric],
            "status": "defaults" if row["is_baseline"] else Status(row["status"]).words,
            "is_winner": row["trial_id"] == winner,
        }
        for row in sweep.trials.to_dict("records")
    }


def _choices(sweep: Sweep) -> list[tuple[str, str, str]]:
    """Return each searched parameter with its value in the best configuration and in the defaults."""
    best = _best(sweep)
    if best is None:
        return []
    baseline = sweep.summary()["baseline"]
    chosen = sweep.params_of(best)
    defaults = sweep.params_of(baseline["trial_id"]) if baseline else {}
    return [(name, cell(chosen.get(name)), cell(defaults.get(name))) for name in sweep.searched]


def _best(sweep: Sweep) -> str | None:
    """Return the trial whose configuration is the best: the confirmation's winner, else the search's best."""
    confirmed, best = sweep.confirmed(), sweep.summary()["best"]
    if confirmed and confirmed.winner:
        return confirmed.winner
    return None if best is None else str(best["trial_id"])


def _commands(sweep: Sweep) -> list[tuple[str, str]]:
    """Return what to type to repeat the sweep, each with what it does."""
    where = results_option(sweep.folder.parent)
    commands = [
        (
            f"gan-sweep {sweep.name}.yaml{where}",
            f"the search again, of the file above saved as {sweep.name}.yaml",
        ),
        (f"gan-sweep rank {sweep.name}{where}", "the leaderboard"),
    ]
    best = _best(sweep)
    if best:
        commands += [
            (f"gan-sweep rerun {sweep.name} {best}{where}", "trains the best again and compares"),
            *_confirming(sweep, where),
        ]
    if standing(sweep.facts) is Status.INTERRUPTED:
        commands.append((f"gan-sweep resume {sweep.name}{where}", "goes on where it was stopped"))
    return commands


def _confirming(sweep: Sweep, where: str) -> Iterator[tuple[str, str]]:
    command, confirmed = f"gan-sweep confirm {sweep.name}", sweep.confirmed()
    if confirmed is None:
        yield (
            f"{command}{where}",
            "trains the best and the defaults on fresh seeds, to tell a gain from luck",
        )
    elif confirmed.is_finished:
        yield (
            f"{command} --until-resolved{where}",
            "trains more seeds of those that are not told from the best",
        )
