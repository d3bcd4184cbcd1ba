import os
import shutil
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--enable-unsafe-swiftshader"]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Threads that wait for work then leave the cores to the trainings of other tests."""

os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [os.environ.get("PYTHONPATH"), str(Path(__file__).parents[1])])
)
"""Ray's workers import the trainables of tests, and never from the current folder."""


@pytest.fixture
def cache(tmp_path_factory, monkeypatch):
    """Return a cache directory of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("GAN_SWEEP_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def browser_file():
    """Return the path of a browser. Without one, CI fails and a developer's tests are skipped."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = "no Chromium or Chrome is installed: apt-get install chromium"
        if os.environ.get("GAN_SWEEP_NEEDS_BROWSER"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def browser(browser_file):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=FLAGS)
        yield browser
        browser.close()
