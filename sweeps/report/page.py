"""Write the report page of a sweep: one HTML file that opens without a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweeps.analysis.loading import load
from sweeps.analysis.search_scores import first_trainings
from sweeps.analysis.sweep import Sweep
from sweeps.analysis.verdict import number, verdict
from sweeps.errors import SweepError
from sweeps.record.files import write_atomically
from sweeps.record.layout import report_file
from sweeps.record.reading import overall_status, spec_in_effect
from sweeps.record.status import Status
from sweeps.record.yardstick import accuracy_of
from sweeps.report.contact_sheet import contact_sheet
from sweeps.report.figures import as_page_json, plots_of
from sweeps.report.tables import cell, confirmation_table, failures_table, trial_table
from sweeps.spec.methods import method_in_words
from sweeps.spec.yaml_text import spec_as_yaml
from sweeps.words import counted, duration, format_time, results_option


def write_report(sweep: Sweep, file: Path | None = None) -> Path:
    """Write the report page, also while the sweep runs; return its file.

    Args:
        sweep: The sweep.
        file: The file; ``report.html`` in the sweep's folder if it is None.

    Raises:
        SweepError: The file cannot be written.
    """
    target = file or report_file(sweep.folder)
    page = render(sweep)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, page.encode())
    except OSError as error:
        raise SweepError(f"{target} cannot be written: {error.strerror}; type another: --out FILE") from None
    return target


def try_to_write_report(folder: Path) -> Exception | None:
    """Write the report page of an ended sweep, and return the exception that prevented it, or None."""
    try:
        write_report(load(folder.name, folder.parent))
    except Exception as error:  # noqa: BLE001 - the sweep is safe; shown when the command ends
        return error
    return None


def render(sweep: Sweep) -> str:
    """Return the page as HTML. Jinja escapes names, reasons and tracebacks."""
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from plotly.offline import get_plotlyjs

    from sweeps.report.style import template

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
        warnings=sweep.summary()["warnings"],
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
        spec=spec_as_yaml(spec_in_effect(sweep.facts)),
        environment=sweep.facts.get("environment", {}),
        commands=_commands(sweep),
        plotly_js=get_plotlyjs(),
    )


def _facts(sweep: Sweep) -> list[str]:
    """Return the facts under the sweep's name: trials by status, dataset, duration and date."""
    spec, summary = sweep.facts["spec"], sweep.summary()
    facts = [counted(len(sweep.trials), "trial")]
    if sweep.has_seeds:
        n_configurations = len(first_trainings(sweep.trials))
        further = counted(len(sweep.trials) - n_configurations, "further seed")
        facts = [f"{facts[0]}: {counted(n_configurations, 'configuration')} and {further}"]
    facts += [
        f"{count} {Status(status).words}" for status, count in summary["trials"].items() if len(sweep.trials)
    ]
    if "dataset" in spec:
        method = method_in_words(spec.get("method", "tpe"), spec.get("method_options"))
        facts.append(f"{spec['dataset']} by {method}")
    if constraints := summary["constraints"]:
        facts.append(f"{constraints['feasible']} meet {' and '.join(constraints['constraints'])}")
    if accuracy := accuracy_of(sweep.facts):
        facts.append(f"scored by a classifier of {100 * accuracy.share:.1f} % accuracy")
    if summary["seconds"] is not None:
        facts.append(f"took {duration(summary['seconds'])}")
    moment = sweep.facts.get("ended_at") or sweep.facts.get("started_at")
    is_running = summary["status"] == Status.RUNNING
    if moment:
        event = "running since" if is_running else "ended"
        facts.append(f"{event} {format_time(moment)}")
    return facts


def _labels(sweep: Sweep) -> dict[str, dict[str, Any]]:
    """Return the labels of each trial on the contact sheet."""
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
    """Return the searched parameters, each with its value in the best configuration and in the defaults."""
    best = _best(sweep)
    if best is None:
        return []
    baseline = sweep.summary()["baseline"]
    chosen = sweep.params_of(best)
    defaults = sweep.params_of(baseline["trial_id"]) if baseline else {}
    return [(name, cell(chosen.get(name)), cell(defaults.get(name))) for name in sweep.searched]


def _best(sweep: Sweep) -> str | None:
    """Return the winner of the confirmation or, without one, the best trial of the search."""
    confirmed, best = sweep.confirmed(), sweep.summary()["best"]
    if confirmed and confirmed.winner:
        return confirmed.winner
    return None if best is None else str(best["trial_id"])


def _commands(sweep: Sweep) -> list[tuple[str, str]]:
    """Return the commands to type next, each with what it does."""
    where = results_option(sweep.folder.parent)
    commands = [
        (
            f"gan-sweep {sweep.name}.yaml{where}",
            f"runs the search again, if {sweep.name}.yaml holds the file above",
        ),
        (f"gan-sweep rank {sweep.name}{where}", "prints the leaderboard"),
    ]
    best = _best(sweep)
    if best:
        commands += [
            (
                f"gan-sweep rerun {sweep.name} {best}{where}",
                "trains the best trial again and compares the scores",
            ),
            *_confirming(sweep, where),
        ]
    if overall_status(sweep.facts) is Status.INTERRUPTED:
        commands.append((f"gan-sweep resume {sweep.name}{where}", "continues the interrupted sweep"))
    return commands


def _confirming(sweep: Sweep, where: str) -> Iterator[tuple[str, str]]:
    command, confirmed = f"gan-sweep confirm {sweep.name}", sweep.confirmed()
    if confirmed is None:
        yield (
            f"{command}{where}",
            "trains the best and the defaults on fresh seeds, to find out whether the gain is luck",
        )
    elif confirmed.is_finished:
        yield (
            f"{command} --until-resolved{where}",
            "trains more seeds of the finalists that are not significantly worse than the winner",
        )
