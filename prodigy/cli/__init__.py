"""The command line: arguments in, calls down, rendering out."""
