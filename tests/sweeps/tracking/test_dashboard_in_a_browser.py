"""MLflow's pages as ``gan-sweep ui`` serves them, in a real browser."""

import re
import signal
import subprocess

import pytest

from sweeps.tracking.store import Store
from sweeps.tracking.sync import sync
from tests.e2e.commands import COMMAND
from tests.servers import make_tables
from tests.sweeps.ledgers import STATUSES, write_sweep

pytestmark = [pytest.mark.browser, pytest.mark.tracking]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Where the command says that the sweep is."""
    results = tmp_path_factory.mktemp("results")
    make_tables(results / "mlflow.db")
    folder = write_sweep(results)
    assert sync(folder, Store.beside(results)) == {}
    command = [COMMAND, "ui", "tiny", "--results", results]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield next(filter(None, (re.search(r"http://\S+", line) for line in process.stderr)))[0]
        finally:
            process.send_signal(signal.SIGINT)


@pytest.fixture
def page(browser):
    """A page that only ever asks this machine."""
    strangers = []
    page = browser.new_page(viewport={"width": 1600, "height": 1200})
    page.on("request", lambda request: is_from_here(request.url) or strangers.append(request.url))
    yield page
    page.close()
    assert strangers == []


def is_from_here(url):
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


def names(page):
    """Return the names of the runs that are listed, from above."""
    rows = page.locator(".ag-pinned-left-cols-container [role=row]").all()
    found = {int(row.get_attribute("row-index")): row.locator("a").first.inner_text() for row in rows}
    return [found[index] for index in sorted(found)]


def test_the_sweeps_address_lists_its_runs_with_the_best_first_and_the_columns_that_matter(page, address):
    page.goto(address)
    page.locator("a", has_text="tiny-0008").first.wait_for()
    assert len(names(page)) == len(STATUSES) + 1
    assert {names(page)[0].split()[0], names(page)[1].split()[0]} == {"tiny", "tiny-0008"}
    for column in ("best_fid", "final_fid", "status", "lr", "loss"):
        assert page.locator("[role=columnheader]", has_text=re.compile(rf"^\s*{column}\s*$")).count()


def test_trials_are_runs_under_the_sweeps(page, address):
    page.goto(re.sub(r"\?.*", "?workflowType=machine_learning", address))
    parent = page.locator(".ag-pinned-left-cols-container [role=row]").first
    parent.locator("a", has_text="tiny").wait_for()
    assert names(page) == ["tiny"]
    parent.locator("button").first.click()
    page.locator("a", has_text="tiny-0008").first.wait_for()
    assert sorted(name.split()[0] for name in names(page)) == [
        "tiny",
        *(f"tiny-{number:04d}" for number in range(len(STATUSES))),
    ]


def test_samples_come_first_among_the_charts_and_are_stepped_through(page, address):
    page.goto(f"{address}&compareRunsMode=CHART")
    card = page.locator("[data-testid='experiment-view-compare-runs-card']").first
    assert_shows(page, card, step=400)
    card.get_by_role("slider").press("ArrowLeft")
    assert_shows(page, card, step=300)


def assert_shows(page, card, step):
    image = card.locator(f"img[src*='step%2B{step}%2B']").first
    image.wait_for()
    page.wait_for_function("image => image.complete && image.naturalWidth > 0", arg=image.element_handle())
