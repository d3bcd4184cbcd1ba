"""Measure the figures that docs/measured.md quotes, one command each."""

import os
from pathlib import Path

os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
)
"""Ray's workers import trainables of this package, and never from the current folder."""
