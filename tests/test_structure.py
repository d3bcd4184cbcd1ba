"""The picture of the structure matches the code, and every import in the documentation works."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure import ROOT, floors, section, shown

MOST_FLOORS = 10
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
IMPORT = re.compile(r"(?:from (?:sweeps|gan_core)\S* import [\w, ]+|import (?:sweeps|gan_core)\S*)")


def imports_shown():
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    cells = (cell for file in NOTEBOOKS for cell in json.loads(file.read_text(encoding="utf-8"))["cells"])
    texts += ["".join(cell["source"]) for cell in cells]
    return sorted({found for text in texts for found in IMPORT.findall(text)})


def test_the_picture_matches_the_code():
    assert shown() == section(), "type python -m tests.structure --write"


def test_there_are_few_floors():
    assert len(floors()) <= MOST_FLOORS


def test_imports_keep_their_contracts():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_documentation_shows_imports():
    assert {"import gan_core", "import sweeps", "from sweeps import plots"} <= {*imports_shown()}


@pytest.mark.parametrize("statement", imports_shown())
def test_every_import_in_the_documentation_works(statement):
    subprocess.run([sys.executable, "-c", statement], check=True)
