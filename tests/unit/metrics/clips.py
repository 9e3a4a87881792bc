"""Label maps of short videos, at random and, for the metrics over them, counted in plain loops."""

import itertools
import math

import torch
from hypothesis import strategies as st

CLASSES, LENGTH = 2, 8


def label_rows(count):
    return st.lists(st.integers(0, CLASSES), min_size=count * LENGTH, max_size=count * LENGTH)


PAIRS = (
    st.integers(1, 4)
    .flatmap(lambda count: st.tuples(label_rows(count), label_rows(count)))
    .map(lambda pair: tuple(torch.tensor(rows).view(-1, LENGTH) for rows in pair))
)
"""Predicted and true labels of one to four videos, (B, T) each."""


def names(labels):
    return [f"video {row}" for row in range(len(labels))]


def ratio(part, whole):
    return part / whole if whole else math.nan


def events_of(labels):
    """(start, end, label) of the events in one video's list of labels."""
    found, start = [], 0
    for label, group in itertools.groupby(labels):
        end = start + len(list(group))
        if label != CLASSES:
            found.append((start, end, label))
        start = end
    return found


def overlap(a, b):
    shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / (a[1] - a[0] + b[1] - b[0] - shared)


def most_matches(predicted, true, threshold):
    """Size of the largest one-to-one matching: each predicted event tries every true one, and none."""
    if not predicted:
        return 0
    first, *rest = predicted
    partners = [event for event in true if event[2] == first[2] and overlap(first, event) >= threshold]
    taken = [1 + most_matches(rest, [event for event in true if event != partner], threshold) for partner in partners]
    return max([most_matches(rest, true, threshold), *taken])
