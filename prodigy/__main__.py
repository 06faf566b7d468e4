"""``python -m prodigy``."""

from prodigy.cli.app import main

main()
