"""Where what is downloaded or trained once is kept."""

import os
from pathlib import Path

from platformdirs import user_cache_path

VARIABLE = "GAN_SWEEP_CACHE"


def cache_folder() -> Path:
    """Return the folder that ``GAN_SWEEP_CACHE`` names, or else gan-sweep's in the user's cache directory."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_cache_path("gan-sweep")
