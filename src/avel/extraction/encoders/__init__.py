"""Encoders: from pictures or sound to feature vectors, one family per file."""
