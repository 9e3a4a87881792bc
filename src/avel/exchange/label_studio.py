"""Label Studio: tasks with predictions to look at and to correct, and the labelling interface for them. Export only.

Events are regions of sound (tag Labels on Audio), which are in seconds; regions of video are in frames, of a rate that
the file does not say. The interface plays video and sound in step. Labels are written as one line, since the interface
names them in XML; each region has its score, and the task their mean, by which tasks can be sorted. What people make of
it and Label Studio exports is read by `avel.data.formats.label_studio`.

With the media in /a/b, Label Studio plays files from disk when it is started with
LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=/a, and the project has /a/b as a
local storage.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import fsum
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from avel.events import Event, EventTable
from avel.exchange.media import Media
from avel.exchange.text import shown

MODEL = "avel"


def tasks_text(table: EventTable, media: Media) -> str:
    """Return the tasks, a JSON list with one per video; `media` says where the videos lie."""
    tasks = [
        {"data": {"video": media.local_url(video)}, "predictions": [_prediction(events)]}
        for video, events in table.by_video().items()
    ]
    return json.dumps(tasks, indent=1) + "\n"


def interface_text(table: EventTable) -> str:
    """Return the labelling interface, with all labels of a table."""
    view = Element("View")
    labels = SubElement(view, "Labels", {"name": "label", "toName": "audio"})
    for label in sorted({shown(event.label) for event in table}):
        SubElement(labels, "Label", {"value": label})
    SubElement(view, "Video", {"name": "video", "value": "$video", "sync": "audio"})
    SubElement(view, "Audio", {"name": "audio", "value": "$video", "sync": "video", "zoom": "true"})
    indent(view)
    return tostring(view, encoding="unicode") + "\n"


def _prediction(events: Sequence[Event]) -> dict[str, Any]:
    scores = [event.score for event in events if event.score is not None]
    regions = [_region(event, place) for place, event in enumerate(events, start=1)]
    mean = {"score": fsum(score / len(scores) for score in scores)} if scores else {}
    return {"model_version": MODEL, "result": regions} | mean


def _region(event: Event, place: int) -> dict[str, Any]:
    return {
        "id": f"{MODEL}{place}",
        "from_name": "label",
        "to_name": "audio",
        "type": "labels",
        "value": {"start": event.start, "end": event.end, "channel": 0, "labels": [shown(event.label)]},
    } | ({} if event.score is None else {"score": event.score})
