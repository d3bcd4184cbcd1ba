"""Run the example notebook on the files of a sweep."""

import base64
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from gan_core.images import png_grid
from tests.sweeps.ledgers import write_confirmation, write_generator, write_sweep

EXAMPLES = Path(__file__).parents[1] / "examples"
SCORES = {"lsgan-0008": [60.0, 62.0], "lsgan-0006": [40.0, 41.0], "lsgan-0000": [400.0, 410.0]}


A_GREY_LEVEL = 1
"""The notebook's process has another number of threads, so its sums round differently."""


@pytest.fixture
def browsed(tmp_path):
    """Return a function that runs the notebook and returns the outputs of each cell."""

    def run():
        (tmp_path / "examples").mkdir()
        notebook = nbformat.read(EXAMPLES / "browse.ipynb", as_version=4)
        resources = {"metadata": {"path": tmp_path / "examples"}}
        NotebookClient(notebook, timeout=120, resources=resources).execute()
        return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}

    return run


def test_the_notebook_shows_the_results_and_samples_of_the_best_generator(tmp_path, browsed):
    folder = write_sweep(tmp_path / "results", "lsgan")
    write_generator(folder, "lsgan-0008")
    generator = write_generator(folder, "lsgan-0006")
    sweep = write_confirmation(folder, SCORES)
    shown = browsed()
    assert "lsgan-0008" in str(shown["load"])
    assert "lsgan-0008" in shown["rank"][0]["data"]["text/plain"]
    for name in ("history", "curves", "parallel", "importances", "seeds"):
        (figure,) = shown[name]
        assert "application/vnd.plotly.v1+json" in figure["data"]
    assert shown["confirmed"][0]["data"]["text/plain"].index("lsgan-0006") < 200
    with Image.open(BytesIO(base64.b64decode(shown["draw"][0]["data"]["image/png"]))) as drawn:
        expected = Image.open(BytesIO(png_grid(generator.sample(64, seed=0))))
        differences = np.asarray(drawn, dtype=int) - np.asarray(expected, dtype=int)
        assert np.abs(differences).max() <= A_GREY_LEVEL
    assert sweep.confirmed().winner == "lsgan-0006"


def test_the_notebook_needs_no_confirmation(tmp_path, browsed):
    write_generator(write_sweep(tmp_path / "results", "lsgan"), "lsgan-0008")
    shown = browsed()
    assert shown["confirmed"] == shown["seeds"] == []
    assert "image/png" in shown["draw"][0]["data"]
