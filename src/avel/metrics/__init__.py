"""Counting right and wrong."""
