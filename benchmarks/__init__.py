"""How fast prodigy is, as ratios against what it is built on, measured in the same run."""
