"""What the documentation shows and points to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page for folder in (".", "docs", "benchmarks", "results") for page in (ROOT / folder).glob("*.md")]
POINTERS = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)|src=\"([^\"]+)\"")


def anchors(page: Path) -> set[str]:
    """Return what a page's headings can be pointed to by."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page):
    for file, anchor, picture in POINTERS.findall(page.read_text(encoding="utf-8")):
        target = page.parent / (file or picture or page.name)
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), anchor


def test_every_page_of_docs_is_pointed_to_from_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in readme] == []


def test_the_readme_shows_the_search_space_that_it_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "search_spaces" / "lsgan.yaml").read_text(encoding="utf-8") in readme
