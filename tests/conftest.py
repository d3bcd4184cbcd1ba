import os
import shutil

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-background-networking", "--enable-unsafe-swiftshader"]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Tests share the cores with each other's trainings: threads that wait for work leave them to those."""


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


@pytest.fixture(scope="session")
def browser(browser_file):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_file, args=FLAGS)
        yield browser
        browser.close()
