import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import sweeps
from sweeps.errors import SweepError
from sweeps.record.layout import create_sweep_folder
from sweeps.record.ledger import Ledger
from sweeps.record.status import Status
from sweeps.record.trial import Trial
from sweeps.report.contact_sheet import MOST_STEPS, MOST_TRIALS, contact_sheet
from sweeps.report.figures import plots_of
from sweeps.report.page import render, write_report
from sweeps.report.tables import MOST_ROWS
from sweeps.spec.reading import load_spec
from sweeps.spec.yaml_text import spec_as_yaml
from tests.sweeps.ledgers import HOSTILE, SPEC, STATUSES, write_confirmation, write_search, write_sweep

COMMAND = Path(sys.executable).with_name("gan-sweep")
SPACES = Path(__file__).parents[3] / "search_spaces"
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_sweep(folder)
    return folder


@pytest.fixture(scope="module")
def page(results):
    return write_report(sweeps.load("tiny", results)).read_text(encoding="utf-8")


def without_plotly(page):
    """Return a page without the library's script."""
    return re.sub(r"<script>/\*\*.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_is_one_file_without_references_to_others(page):
    own = without_plotly(page)
    assert len(own) < len(page) / 10
    assert not re.search(r"""(src|href)=["'](?!data:)""", own)
    assert not re.search(r"@import|url\(", own)
    assert "default-src 'none'" in own
    assert page.count("plotly.js v") == 1


def test_markup_in_a_record_is_escaped(page):
    own = without_plotly(page)
    assert "<script>document" not in own
    assert "<b>bold" not in own
    assert own.count("&lt;script&gt;document.title") >= 3


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        ([], Status.RUNNING),
        ([], Status.INTERRUPTED),
        ([Status.RUNNING, Status.PRUNED], Status.RUNNING),
        ([Status.CRASHED] * 3, Status.COMPLETED),
        ([Status.DIVERGED] * 3, Status.COMPLETED),
        ([Status.COMPLETED], Status.COMPLETED),
    ],
)
def test_a_sweep_in_any_state_has_a_page(tmp_path, statuses, status):
    write_sweep(tmp_path, statuses=statuses, status=status)
    page = render(sweeps.load("tiny", tmp_path))
    assert re.search(rf"{'running since' if status is Status.RUNNING else 'ended'} \d{{4}}-.* UTC", page)
    assert ("Why trials failed" in page) == (Status.CRASHED in statuses)
    assert len(page) < MOST_BYTES


def test_a_sweep_by_two_metrics_has_both_in_its_table(tmp_path):
    write_sweep(tmp_path, metrics=("recall", "fid"))
    page = render(sweeps.load("tiny", tmp_path))
    for column in ("recall", "fid", "pareto"):
        assert f'<button type="button">{column}</button>' in page
    assert 'id="plot-pareto-recall-fid"' in page


def test_a_confirmation_has_a_section_and_its_winner_is_the_best(tmp_path):
    scores = {
        "tiny-0008": [60.0, 62.0],
        "tiny-0006": [40.0, 41.0],
        "tiny-0000": [400.0, Status.DIVERGED],
    }
    page = render(write_confirmation(write_sweep(tmp_path), scores))
    section = re.search(r'<table class="finalists">(.*?)</table>', page, flags=re.DOTALL)[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in section.split("<tr")[2:]]
    assert [row[0] for row in cells] == ["tiny-0006", "tiny-0008", "tiny-0000 (defaults)"]
    assert cells[0][1:3] == ["winner", "40.43"]
    assert cells[0][4:] == ["2", "", "", "11.22"]
    assert cells[1][6].startswith("1.51 times (")
    assert cells[2] == [
        *("tiny-0000 (defaults)", "worse", "376.3", "99.12 to 854.4", "1", "1 diverged"),
        *("9.31 times (1.6 to 27.9)", "550"),
    ]
    assert "Each score rests on 1,000 samples. A configuration that diverged on most" in page
    assert "completed, winner on fresh seeds" in page
    assert "gan-sweep rerun tiny tiny-0006" in page
    assert "gan-sweep confirm tiny --until-resolved" in page


@pytest.mark.parametrize("trainings", [[], [Status.INTERRUPTED]])
def test_a_confirmation_that_has_just_started_has_a_page(tmp_path, trainings):
    page = render(
        write_confirmation(write_sweep(tmp_path), {"tiny-0008": trainings}, Status.RUNNING, seeds=2)
    )
    assert "on fresh seeds no configuration has a score yet." in page
    assert "Conclusion: not finished" in page


def test_a_large_sweep_has_a_small_page(tmp_path):
    write_sweep(tmp_path, statuses=[*STATUSES] * 105, reports=16)
    sweep = sweeps.load("tiny", tmp_path)
    page = render(sweep)
    assert len(page) < MOST_BYTES
    assert (
        f"The best {MOST_ROWS} trials; <code>gan-sweep rank tiny --format csv</code> lists the other 50"
        in page
    )
    assert "The best 200 of 1,050 trials, and the defaults." in page
    sheet = contact_sheet(sweep)
    assert (len(sheet.steps), len(sheet.rows)) == (MOST_STEPS, MOST_TRIALS + 1)
    assert (sheet.steps[0], sheet.steps[-1]) == (100, 1600)


def test_a_page_without_some_sample_files_shows_the_others(tmp_path):
    (write_sweep(tmp_path) / "samples" / "tiny-0008" / "200.png").unlink()
    page = render(sweeps.load("tiny", tmp_path))
    assert "tiny-0008 at step 100" in page
    assert "tiny-0008 at step 200" not in page


def test_plots_without_data_are_left_out(results, tmp_path):
    names = [plot.name for plot in plots_of(sweeps.load("tiny", results))]
    assert names == [
        *("history", "curves", "budget", "parallel", "importances", "cost-steps", "cost-seconds"),
        *("slice-loss", "slice-penalty", "slice-lr", "slice-penalty_weight"),
    ]
    write_sweep(tmp_path, statuses=[])
    assert plots_of(sweeps.load("tiny", tmp_path)) == []


def test_comparisons_that_would_mean_nothing_are_left_out(tmp_path):
    comparisons = {"parallel", "importances"}
    lr = {"parameters": {"lr": {"distribution": "log_uniform_values", "min": 0.01, "max": 1.0}}}
    write_search(tmp_path, *range(10, 20), name="one", spec=SPEC | lr)
    write_sweep(tmp_path, statuses=[Status.COMPLETED, Status.PRUNED, Status.COMPLETED])
    for name, expected in (("one", set()), ("tiny", {"parallel"})):
        sweep = sweeps.load(name, tmp_path)
        assert comparisons & {plot.name for plot in plots_of(sweep)} == expected
        assert '<div class="plots without-importances">' in render(sweep)


def test_a_page_counts_further_seeds_apart(tmp_path):
    write_search(tmp_path, 100.0, 80.0, 300.0, further=[(1, 90.0), (1, 60.0)])
    sweep = sweeps.load("tiny", tmp_path)
    page = render(sweep)
    assert "<li>5 trials: 3 configurations and 2 further seeds</li>" in page
    assert "Triangles are further seeds of a configuration" in page
    headings = re.findall(r'<th scope="col"[^>]*><button type="button">(.*?)</button>', page)
    assert {"further seed of", "mean over search seeds", "search seeds"} <= {*headings}
    assert {"flags", "reason"}.isdisjoint(headings)
    assert [row.trial_id for row in contact_sheet(sweep).rows] == ["tiny-0001", "tiny-0002", "tiny-0000"]
    assert 'id="samples"' not in page


@pytest.mark.parametrize("space", sorted(path.stem for path in SPACES.glob("*.yaml")))
def test_the_search_space_on_the_page_reads_back_as_the_same_sweep(tmp_path, space):
    spec = load_spec(SPACES / f"{space}.yaml")
    (tmp_path / "again.yaml").write_text(spec_as_yaml(spec.model_dump(mode="json")), encoding="utf-8")
    assert load_spec(tmp_path / "again.yaml").model_dump() == spec.model_dump()


def test_the_command_writes_the_page_to_out(results, tmp_path):
    command = [COMMAND, "report", "tiny", "--results", results, "--out", tmp_path / "new" / "page.html"]
    installed = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=installed)
    assert done.stdout == f"{tmp_path}/new/page.html\n"
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["page.html"]
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert f"gan-sweep rank tiny --results {results}" in page


def test_a_page_that_cannot_be_written_is_an_error(results, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SweepError, match=r"page\.html cannot be written: .*; type another: --out FILE"):
        write_report(sweeps.load("tiny", results), tmp_path / "file" / "page.html")


def test_without_a_browser_png_says_what_to_install(results, tmp_path):
    done = subprocess.run(
        [COMMAND, "report", "tiny", "--results", results, "--png", tmp_path / "png"],
        env=os.environ | {"BROWSER_PATH": str(tmp_path / "chromium")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(
        "--png needs Chrome or Chromium, and neither is installed: apt-get install chromium"
    )
    assert done.stderr.count("\n") == 1


def test_failures_are_grouped_by_reason(page):
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)[1])["figures"]
    assert "failed: no score" in [trace.get("name") for trace in figures["history"]["data"]]
    assert page.count("<details>") == 1
    assert HOSTILE not in page


@pytest.mark.browser
def test_each_plot_is_written_as_png(browser_file, results, tmp_path):
    shutil.copytree(results, tmp_path / "results")
    command = [COMMAND, "report", "tiny", "--results", tmp_path / "results", "--png", tmp_path / "png"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"BROWSER_PATH": browser_file}
    )
    assert done.returncode == 0, done.stderr
    files = [Path(line) for line in done.stdout.splitlines()[1:]]
    assert [file.stem for file in files] == [plot.name for plot in plots_of(sweeps.load("tiny", results))]
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == (1920, 1080)
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20


def test_a_sweep_in_which_every_trial_failed_has_a_page(tmp_path):
    folder = create_sweep_folder(tmp_path, "bad", exact=True)
    ledger = Ledger(folder, SPEC | {"name": "bad"})
    ledger.start(Trial("bad-0000", 0, {}, {"seed": 0, "eval_samples": 128}, is_baseline=True))
    ledger.end("bad-0000", Status.CRASHED, "ValueError: no images")
    ledger.close(Status.COMPLETED)
    assert "ValueError: no images" in render(sweeps.load("bad", tmp_path))
