"""The error analysis in plain loops, to be read beside its definition: threshold, class, prediction, one at a time."""

import math

from avel.metrics.rules import DEFAULT_RULES
from tests.unit.metrics.slow import average_precision, clean, overlap

KINDS = ("double", "localization", "class", "both", "background")


def match(predictions, events, threshold):
    """Return index of prediction -> index of the event that it gets."""
    holder = {}
    for row in sorted(range(len(predictions)), key=lambda row: -predictions[row].score):
        options = [
            (iou(predictions[row], event), -index)
            for index, event in enumerate(events)
            if (event.video, event.label) == (predictions[row].video, predictions[row].label)
            and index not in holder.values()
        ]
        best, index = max(options, default=(0.0, 0))
        if best >= threshold:
            holder[row] = -index
    return holder


def iou(prediction, event):
    return overlap(prediction, event, DEFAULT_RULES)


def kind(prediction, events, threshold, least):
    """Return the kind of a prediction that gets no event."""
    there = [event for event in events if event.video == prediction.video]
    own = max((iou(prediction, event) for event in there if event.label == prediction.label), default=0.0)
    other = max((iou(prediction, event) for event in there if event.label != prediction.label), default=0.0)
    if own >= threshold:
        return "double"
    if own >= least:
        return "localization"
    if other >= threshold:
        return "class"
    return "both" if other >= least else "background"


def kinds(predictions, events, threshold, least=0.1):
    """Return for each prediction its kind, or "right"."""
    events = clean(events, DEFAULT_RULES)
    holder = match(predictions, events, threshold)
    least = min(least, threshold)
    return [
        "right" if row in holder else kind(prediction, events, threshold, least)
        for row, prediction in enumerate(predictions)
    ]


def mean_average_precision(predictions_at, events_at, classes, thresholds):
    """Average AP over classes and thresholds; both lists have one table per threshold."""
    ap = [
        average_precision(
            sorted((p for p in predictions if p.label == label), key=lambda p: -p.score),
            [event for event in events if event.label == label],
            threshold,
            DEFAULT_RULES,
        )
        for predictions, events, threshold in zip(predictions_at, events_at, thresholds, strict=True)
        for label in range(classes)
    ]
    known = [value for value in ap if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def costs(predictions, events, classes, thresholds):
    """Return the mAP, what it gains without each kind, and what it gains without the missed events."""
    events = clean(events, DEFAULT_RULES)
    full = mean_average_precision([predictions] * len(thresholds), [events] * len(thresholds), classes, thresholds)
    gained = {}
    for name in KINDS:
        left = [
            [p for p, k in zip(predictions, kinds(predictions, events, threshold), strict=True) if k != name]
            for threshold in thresholds
        ]
        gained[name] = mean_average_precision(left, [events] * len(thresholds), classes, thresholds) - full
    found = []
    for threshold in thresholds:
        held = match(predictions, events, threshold).values()
        found.append([event for index, event in enumerate(events) if index in held])
    least = mean_average_precision([predictions] * len(thresholds), found, classes, thresholds)
    return full, gained, (1.0 if math.isnan(least) else least) - full


def normalized_average_precision(predictions, events, inside, classes, thresholds):
    """Average AP_N over classes and thresholds where only the events with these indices count."""
    present = {event.label for event in events}
    usual, ap = len(events) / len(present), []
    for threshold in thresholds:
        holder = match(predictions, events, threshold)
        for label in range(classes):
            count = sum(events[index].label == label for index in inside)
            if count == 0:
                continue
            found, wrong, precisions = 0, 0, []
            for row in sorted(range(len(predictions)), key=lambda row: -predictions[row].score):
                if predictions[row].label != label or (row in holder and holder[row] not in inside):
                    continue
                found, wrong = found + (row in holder), wrong + (row not in holder)
                recalled = found / count * usual
                if row in holder:
                    precisions.append(recalled / (recalled + wrong))
            ap.append(sum(max(precisions[place:]) for place in range(len(precisions))) / count)
    return sum(ap) / len(ap)
