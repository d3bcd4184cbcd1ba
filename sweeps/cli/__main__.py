"""``python -m sweeps.cli`` is ``gan-sweep``."""

from sweeps.cli.app import main

main()
