"""The notebooks run, on a sweep that a run would have left."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.sweeps.ledgers import write_sweep

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_browse_shows_what_was_found(tmp_path):
    write_sweep(tmp_path / "results", "lsgan")
    (tmp_path / "examples").mkdir()
    notebook = nbformat.read(EXAMPLES / "browse.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": tmp_path / "examples"}}).execute()
    shown = {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}
    assert "lsgan-0008" in str(shown["load"])
    assert "lsgan-0008" in shown["rank"][0]["data"]["text/plain"]
    for name in ("history", "curves", "parallel", "importances"):
        (figure,) = shown[name]
        assert "application/vnd.plotly.v1+json" in figure["data"]
