"""Readers of events: live view, plain lines, summaries."""
