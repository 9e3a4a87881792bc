"""Exports of Label Studio (format "JSON"): labelled regions of sound, video and time series."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from avel.data.formats.entries import MEDIA, Entry, event

UPLOADED = re.compile(r"(/upload/(?:.*/)?)[0-9a-f]{8}-(?=[^/]+$)")
"""What Label Studio puts before the name of a file that was uploaded."""

TABLE = re.compile(r"\.(csv|tsv)$", re.IGNORECASE)
LABELS = ("labels", "timeserieslabels", "timelinelabels")


def is_label_studio(document: Any) -> bool:
    """Whether a parsed JSON file is an export: a list of tasks with data and annotations."""
    tasks = document if isinstance(document, list) else []
    return bool(tasks) and all(isinstance(task, dict) and {"data", "annotations"} <= task.keys() for task in tasks)


def read_label_studio(tasks: list[Any], *, frame_rate: float | None = None) -> dict[str, Entry]:
    """Turn an export into a database.

    A region with times is an event of each of its labels (tags Labels, TimeSeriesLabels, TimelineLabels), and so is a
    box while it is in the picture (VideoRectangle). Times of time series must be seconds. On video, Label Studio counts
    frames, from 1 on: `fps` in the task's data or `frame_rate` must say how many it took for a second. A task is about
    the first text in its data that names a media file or else a table; the eight characters that an upload puts before
    a name are dropped. `subset` and `duration` in the data are taken over.

    Of several annotations of a task the one marked as ground truth counts, else the first that was not cancelled. Tasks
    without any are left out, with a warning. Lost are predictions, regions without a label, channels, places of boxes
    and all other answers.

    Args:
        tasks: the parsed file.
        frame_rate: frames per second of Label Studio's Video tag, where a task does not say.

    Raises:
        ValueError: a task is malformed, or its frame rate is not known; the message names the task.
    """
    database: dict[str, Entry] = {}
    unfinished = []
    for task in tasks:
        try:
            video, entry = _read_task(task, frame_rate)
            if video in database:
                raise ValueError(f"is a second one about {video!r}: leave one of them out of the export")
        except ValueError as error:
            raise ValueError(f"task {task.get('id')}: {error}") from None
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"task {task.get('id')}: is not as Label Studio writes it ({error!r})") from None
        if entry is None:
            unfinished.append(video)
        else:
            database[video] = entry
    if unfinished:
        warnings.warn(f"{len(unfinished)} tasks without annotations left out; first {unfinished[0]!r}", stacklevel=2)
    return database


def _read_task(task: Mapping[str, Any], frame_rate: float | None) -> tuple[str, Entry | None]:
    data, regions = task["data"], _regions(task)
    if regions is None:
        return _video(data), None
    events = [found for region in regions for found in _events(region, data.get("fps", frame_rate))]
    entry: Entry = {"annotations": events}
    if lengths := [region["original_length"] for region in regions if "original_length" in region]:
        entry["duration"] = lengths[0]
    return _video(data), entry | {key: data[key] for key in ("subset", "duration") if key in data}


def _video(data: Mapping[str, Any]) -> str:
    """Return the path of the file that a task is about."""
    # files of a local folder: /data/local-files/?d=PATH; others may be links with a signature behind them
    texts = [text for text in data.values() if isinstance(text, str)]
    paths = [unquote(text.partition("?d=")[2] or text.partition("?")[0]) for text in texts]
    for ending in (MEDIA, TABLE):
        for path in paths:
            if ending.search(path):
                return TABLE.sub("", UPLOADED.sub(r"\1", path))
    raise ValueError(f"its data name no media file: {paths}")


def _regions(task: Mapping[str, Any]) -> list[Any] | None:
    """Return the regions of the annotation that counts, None where there is none."""
    finished = [annotation for annotation in task["annotations"] if not annotation.get("was_cancelled")]
    chosen = [annotation for annotation in finished if annotation.get("ground_truth")] or finished
    return chosen[0]["result"] if chosen else None


def _events(region: Mapping[str, Any], frame_rate: float | None) -> Iterator[Entry]:
    value = region.get("value", {})
    labels: list[str] = next((value[name] for name in LABELS if name in value), [])
    for label in labels:
        for start, end in _spans(value, frame_rate):
            yield event(start, end, label)


def _spans(value: Mapping[str, Any], frame_rate: float | None) -> list[tuple[float, float]]:
    """Return from when to when a region lasts, in seconds."""
    if "sequence" not in value and "ranges" not in value:
        return [(_second(value["start"]), _second(value["end"]))] if "start" in value else []
    frames = _lifespans(value) if "sequence" in value else [(span["start"], span["end"]) for span in value["ranges"]]
    rate = _frame_rate(value, frame_rate)
    return [((first - 1) / rate, last / rate) for first, last in frames]


def _frame_rate(value: Mapping[str, Any], told: float | None) -> float:
    if told is None and value.get("framesCount") and value.get("duration"):
        return value["framesCount"] / value["duration"]
    if told is None:
        raise ValueError(
            "Label Studio counts frames on video, and does not write at which rate: give data.frame_rate (frameRate"
            " of the Video tag, 24 if that does not say) or fps in the task's data"
        )
    if not told > 0:
        raise ValueError(f"fps {told!r} must be a positive number of frames per second")
    return told


def _lifespans(value: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Give the first and the last frame of every time that a box is in the picture.

    It appears at a key frame and goes behind the next one that is not `enabled`, or stays.
    """
    first = None
    for key in sorted(value["sequence"], key=lambda key: key["frame"]):
        first = key["frame"] if first is None else first
        if not key.get("enabled", True):
            yield first, key["frame"]
            first = None
    if first is not None:
        yield first, value.get("framesCount", key["frame"])


def _second(time: Any) -> float:
    if isinstance(time, (int, float)):
        return float(time)
    raise ValueError(f"the time {time!r} is no number of seconds")
