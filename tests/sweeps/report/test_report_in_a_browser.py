"""The report page as people open it: a file, in a real browser, without a network."""

import pytest

import sweeps
from sweeps.record.status import Status
from sweeps.report.figures import plots_of
from sweeps.report.page import write_report
from tests.sweeps.ledgers import write_confirmation, write_sweep

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 900}}
A4_PX = 718
"""The width of A4 paper without its margins."""

SWEEPS = {
    "tiny": {},
    "two": {"metrics": ("recall", "fid")},
    "confirmed": {},
    "empty": {"statuses": [], "status": Status.RUNNING},
    "running": {"statuses": [Status.COMPLETED, Status.RUNNING, Status.RUNNING], "status": Status.RUNNING},
    "failed": {"statuses": [Status.CRASHED, Status.DIVERGED, Status.DIVERGED]},
}

SEEDS = {
    "confirmed-0008": [40.0, 42.0, 41.0],
    "confirmed-0006": [39.0, 44.0, 43.0],
    "confirmed-0000": [400.0, Status.CRASHED, Status.DIVERGED],
}
"""The scores of a confirmation."""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name, options in SWEEPS.items():
        write_sweep(folder, name, **options)
        if name == "confirmed":
            write_confirmation(folder / name, SEEDS)
        write_report(sweeps.load(name, folder))
    return folder


@pytest.fixture
def opened(browser, results):
    """Return a function that opens a sweep's page, and fails at its end for errors and requests."""
    faults, contexts = [], []

    def open_(name, **options):
        contexts.append(browser.new_context(**(DESK | options)))
        page = contexts[-1].new_page()
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        file = (results / name / "report.html").as_uri()
        page.on("request", lambda request: request.url != file and _leaves(request.url, faults))
        page.goto(file)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def _leaves(url, faults):
    if not url.startswith(("data:", "blob:")):
        faults.append(url)


def rows(page, column):
    place = page.locator("#table thead th").all_inner_texts().index(column) + 1
    return page.locator(f"#table tbody tr:visible td:nth-child({place})").all_inner_texts()


@pytest.mark.parametrize("name", SWEEPS)
def test_each_plot_draws(opened, results, name):
    page = opened(name)
    plots = plots_of(sweeps.load(name, results))
    assert page.locator(".plot").count() == len(plots)
    for plot in plots:
        place = page.locator(f"#plot-{plot.name}")
        assert place.locator(".main-svg").first.is_visible()
        drawn = {"parallel": ".parcoords", "importances": ".bars path"}
        others = ".points path, .lines path, .fills path"
        assert place.locator(drawn.get(plot.name, others)).count() > 0


def test_a_confirmation_is_drawn_with_its_seeds_means_failures_and_floor(opened):
    page = opened("confirmed")
    plot = page.locator("#plot-confirmation")
    marks = [trace.locator(".point").count() for trace in plot.locator(".scatterlayer .trace").all()]
    assert sorted(marks) == [0, 2, 3, 7]
    assert plot.locator(".errorbars path.xerror").count() == 3
    assert plot.locator(".yaxislayer-above, .yticklabel, .ytick").first.is_visible()
    assert "confirmed-0008" in plot.inner_text()
    assert page.locator(".finalists tbody tr").count() == 3


def test_lines_of_parallel_coordinates_have_colour(opened):
    page = opened("tiny")
    page.locator("#plot-parallel canvas").first.wait_for()
    page.locator("#plot-parallel").scroll_into_view_if_needed()
    assert page.locator("#plot-parallel .y-axis").count() == 5
    assert "WebGL is not supported" not in page.locator("#plot-parallel").inner_text()


def test_the_table_sorts_by_key_and_by_click(opened):
    page = opened("tiny")
    header = page.locator("#table thead button", has_text="lr")
    header.focus()
    page.keyboard.press("Enter")
    lr = [float(text) for text in rows(page, "lr")]
    assert lr == sorted(lr)
    header.click()
    assert [float(text) for text in rows(page, "lr")] == sorted(lr, reverse=True)
    assert page.locator("#table thead th[aria-sort=descending]").inner_text() == "lr"
    fid = page.locator("#table thead button", has_text="fid")
    for _ in range(2):
        fid.click()
        assert rows(page, "fid")[-2:] == ["", ""]


def test_the_table_filters_by_words_and_by_status(opened):
    page = opened("tiny")
    page.get_by_label("Filter").fill("LSGAN r1")
    assert set(rows(page, "loss")) == {"lsgan"}
    assert set(rows(page, "penalty")) == {"r1"}
    page.get_by_label("Filter").fill("")
    page.get_by_label("Status").select_option("failed")
    assert rows(page, "trial") == ["tiny-0002"]
    assert page.locator("#shown").inner_text() == "1 of 10 shown"
    assert "<script>" in rows(page, "reason")[0]
    assert page.title() == "tiny · gan-sweep"


@pytest.mark.parametrize("name", SWEEPS)
def test_a_phone_scrolls_only_vertically(opened, name):
    page = opened(name, **PHONE)
    width, inner = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width == inner == 390


def test_no_text_is_too_small_to_read(opened):
    sizes = opened("confirmed").evaluate(
        "[...document.querySelectorAll('body :not(script, style)')]"
        ".filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))"
        ".map((each) => parseFloat(getComputedStyle(each).fontSize))"
    )
    assert min(sizes) >= 12


def test_printed_plots_are_as_wide_as_the_paper_and_the_screen_gets_its_own_again(opened):
    page = opened("confirmed")
    width = "document.querySelector('#plot-history .main-svg').getBoundingClientRect().width"
    on_screen = page.evaluate(width)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_PX, "height": 1000})
    page.wait_for_timeout(300)
    assert page.evaluate(width) <= A4_PX
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_PX
    assert not page.locator("#filter").is_visible()
    page.emulate_media(media="screen")
    page.set_viewport_size(DESK["viewport"])
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_timeout(300)
    assert page.evaluate(width) == on_screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["tiny", "confirmed", "empty", "failed"])
def test_the_page_is_accessible(opened, name, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = opened(name, color_scheme=scheme)
    for details in page.locator("details").all():
        details.click()
    grave = [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]])
        for fault in Axe().run(page).response["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]
    assert grave == []


def test_the_plots_follow_the_scheme_of_the_page(opened):
    page = opened("tiny")
    papers = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(500)
        papers.append(page.evaluate("document.getElementById('plot-history')._fullLayout.paper_bgcolor"))
    assert papers == ["#ffffff", "#171a20"]
