"""Chaos: the real pipeline under faults drawn from a seed, and a checker of its own. `python -m tests.chaos --help`."""
