"""Describe what a sweep runs on: versions and the machine."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("gan-sweep", "torch", "ray", "optuna", "mlflow", "numpy")


def environment(gpus: float = 0, n_nodes: int | None = None) -> dict[str, str]:
    """Return the versions of the packages that train and search, and a description of the machine.

    Args:
        gpus: The number of GPUs that Ray has.
        n_nodes: The number of nodes of the cluster; None for this machine alone.
    """
    versions = {package: package_version(package) for package in PACKAGES}
    return {
        "python": platform.python_version(),
        **versions,
        "system": platform.platform(terse=True),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "gpus": f"{gpus:g}",
        **({} if n_nodes is None else {"nodes": str(n_nodes)}),
        **_git_commit(),
    }


def _git_commit() -> dict[str, str]:
    """Return the git commit of the current folder, with ``-dirty`` after uncommitted changes."""
    git = shutil.which("git")
    if git is None:
        return {}
    command = [git, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no user input
    return {"git_commit": found.stdout.strip()} if found.returncode == 0 else {}


def package_version(package: str) -> str:
    """Return the version of an installed package, or ``not installed``."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """Return the processor's name, which Linux has in a file alone."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
