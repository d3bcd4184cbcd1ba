"""Everything that the documentation links to or shows exists."""

import re
from pathlib import Path

import pytest
import torch

from gan_core import TrialConfig, check_contract
from gan_core.discriminators import has_independent_rows

ROOT = Path(__file__).parents[1]
PAGES = [page for folder in (".", "docs", "benchmarks", "results") for page in (ROOT / folder).glob("*.md")]
POINTERS = re.compile(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)|src=\"([^\"]+)\"")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_has_a_target(page):
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


ARCHITECTURES = {
    re.findall(r"class (\w+)\(Architecture\)", block)[0]: block
    for block in re.findall(
        r"(?s)```python\n(.*?)```", (ROOT / "docs" / "search-spaces.md").read_text(encoding="utf-8")
    )
    if "(Architecture)" in block
}
"""The architectures in ``docs/search-spaces.md``: by their names, the files that define them."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_architecture_that_the_documentation_shows_is_accepted(name, tmp_path, monkeypatch):
    (tmp_path / f"shown_in_docs_{name}.py").write_text(ARCHITECTURES[name], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    config = TrialConfig(architecture=f"shown_in_docs_{name}:{name}", noise_dim=8)
    check_contract(config, (3, 24, 16))
    has_batch_normalization = "BatchNorm" in ARCHITECTURES[name]
    assert has_independent_rows(config, (3, 24, 16), torch.device("cpu")) != has_batch_normalization


def test_the_documentation_shows_an_architecture_with_batch_normalization_in_both_networks():
    generator, discriminator = ARCHITECTURES["Radford"].split("def discriminator")
    assert "BatchNorm2d" in generator
    assert "BatchNorm2d" in discriminator
