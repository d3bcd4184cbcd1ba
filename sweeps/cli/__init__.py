"""The command line: what people type, and what exit codes say."""

from sweeps.cli.app import main

__all__ = ["main"]
