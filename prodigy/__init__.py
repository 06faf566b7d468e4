"""Run agent and shell workflows over a git repository, every phase sealed in its own container."""

__version__ = "0.1.0"
