"""Data sets: annotations and feature files in, samples and batches out."""
