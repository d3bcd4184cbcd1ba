import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser_file():
    """Return the installed browser; where there is none, CI fails and a developer's tests are skipped."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        told = "no Chromium or Chrome is installed: apt-get install chromium"
        if os.environ.get("GAN_SWEEP_NEEDS_BROWSER"):
            pytest.fail(told)
        pytest.skip(told)
    return found
