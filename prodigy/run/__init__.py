"""Orchestration: sessions, phases, steps, agents and merges."""
