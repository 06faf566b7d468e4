"""The contract of sandboxes: one suite, every backend."""
