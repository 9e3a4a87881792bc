"""Measures what has a speed target; `scripts/benchmark.py` is the command."""
