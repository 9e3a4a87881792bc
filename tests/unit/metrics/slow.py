"""The evaluator in plain loops, to be read beside its definition: class, threshold, prediction, one at a time."""

import math
from typing import NamedTuple

from avel.metrics.rules import EvaluationRules


class Event(NamedTuple):
    video: int
    start: float
    end: float
    label: int


class Prediction(NamedTuple):
    video: int
    start: float
    end: float
    label: int
    score: float


def evaluate(predictions, events, *, num_classes, thresholds, recall_k, rules):
    """Return ap[class][threshold], recall[threshold][k][class] and the number of kept events per class."""
    events = clean(events, rules)
    counts = [sum(event.label == label for event in events) for label in range(num_classes)]
    if rules.absent_classes == "collide":
        predictions = [prediction._replace(label=mistaken(prediction.label, counts)) for prediction in predictions]
    if rules.ties == "later":
        predictions, events = predictions[::-1], events[::-1]
    predictions = sorted(predictions, key=lambda prediction: -prediction.score)
    by_class = [
        ([p for p in predictions if p.label == label], [e for e in events if e.label == label])
        for label in range(num_classes)
    ]
    ap = [[average_precision(p, e, thr, rules) for thr in thresholds] for p, e in by_class]
    recall = [[[recall_at(p, e, thr, k, rules) for p, e in by_class] for k in recall_k] for thr in thresholds]
    return ap, recall, counts


def clean(events, rules: EvaluationRules):
    kept = []
    for event in events:
        if event.end - event.start < rules.min_event_length:
            continue
        if not any(same(event, earlier, rules.duplicate_tolerance) for earlier in kept):
            kept.append(event)
    return kept


def same(a, b, tolerance):
    return (
        tolerance is not None
        and (a.video, a.label) == (b.video, b.label)
        and max(abs(a.start - b.start), abs(a.end - b.end)) <= tolerance
    )


def mistaken(label, counts):
    present = [label for label, count in enumerate(counts) if count]
    return present[label] if counts[label] == 0 and label < len(present) else label


def overlap(a, b, rules):
    if a.start == a.end and b.start == b.end:
        return math.inf if rules.empty_pairs == "match" else 0.0
    intersection = max(0.0, min(a.end, b.end) - max(a.start, b.start))
    return intersection / ((a.end - a.start) + (b.end - b.start) - intersection)


def average_precision(predictions, events, threshold, rules):
    if not events:
        return math.nan
    taken, precisions = set(), []
    for seen, prediction in enumerate(predictions, start=1):
        options = [
            (overlap(prediction, event, rules), -index)
            for index, event in enumerate(events)
            if event.video == prediction.video and index not in taken
        ]
        best, index = max(options, default=(0.0, 0))
        if best >= threshold:
            taken.add(-index)
            precisions.append(len(taken) / seen)
    return sum(max(precisions[found:]) for found in range(len(precisions))) / len(events)


def recall_at(predictions, events, threshold, k, rules):
    if not events:
        return math.nan
    found = 0
    for event in events:
        rivals = sum(other.video == event.video for other in events)
        best = [prediction for prediction in predictions if prediction.video == event.video][: k * rivals]
        found += any(overlap(prediction, event, rules) >= threshold for prediction in best)
    return found / len(events)
