"""Attacks by what runs in a workflow, against the program as it is: each must fail the attacker only."""
