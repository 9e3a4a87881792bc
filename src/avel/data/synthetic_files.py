"""The official annotation files of ActivityNet-1.3, DESED and THUMOS14, path -> text, for synthetic data."""

from __future__ import annotations

import json
import math

from avel.data.synthetic_annotations import Entry

Database = dict[str, Entry]
"""Video id -> entry in the layout of `avel.data.annotations`, with `label_id`; subsets are train and test."""


def activitynet13_files(database: Database) -> dict[str, str]:
    """Return the official annotation file of ActivityNet-1.3, which has no label ids."""
    subsets = {"train": "training", "test": "validation"}
    videos = {
        video: {
            "duration": entry["duration"],
            "subset": subsets[entry["subset"]],
            "annotations": [{"segment": row["segment"], "label": row["label"]} for row in entry["annotations"]],
        }
        for video, entry in database.items()
    }
    document = {"database": videos, "taxonomy": [], "version": "VERSION 1.3"}
    return {"annotations/activity_net.v1-3.min.json": json.dumps(document)}


def name_clips(database: Database) -> Database:
    """Name drawn clips as the lists of DESED do: with the seconds of the recording that they were cut out of."""
    return {
        f"Y{clip}_0.000_{entry['duration']:.3f}"
        if entry["subset"] == "train"
        else f"{clip}_0_{math.ceil(entry['duration'])}": entry
        for clip, entry in database.items()
    }


def desed_files(database: Database) -> dict[str, str]:
    """Return the lists of DESED; only test clips have their lengths listed."""
    rows: dict[str, list[str]] = {"train": [], "test": []}
    for clip, entry in database.items():
        events = [f"{row['segment'][0]:.3f}\t{row['segment'][1]:.3f}\t{row['label']}" for row in entry["annotations"]]
        rows[entry["subset"]] += [f"{clip}.wav\t{event}\n" for event in events or ["\t\t"]]
    lengths = [f"{clip}.wav\t{e['duration']}\n" for clip, e in database.items() if e["subset"] == "test"]
    header = "filename\tonset\toffset\tevent_label\n"
    return {
        "metadata/validation/validation.tsv": header + "".join(rows["train"]),
        "metadata/eval/public.tsv": header + "".join(rows["test"]),
        "metadata/eval/public_meta.tsv": "filename\tduration\n" + "".join(lengths),
    }


def give_frame_rates(database: Database) -> Database:
    """Give every fourth video 25 frames per second, the others 30."""
    return {
        video: entry | {"fps": 25.0 if number % 4 == 3 else 30.0}
        for number, (video, entry) in enumerate(database.items())
    }


def thumos14_files(database: Database) -> dict[str, str]:
    """Return THUMOS14's annotation file in the layout of ActionFormer."""
    subsets = {"train": "Validation", "test": "Test"}
    videos = {video: entry | {"subset": subsets[entry["subset"]]} for video, entry in database.items()}
    return {"annotations/thumos14.json": json.dumps({"version": "Thumos14-30fps", "database": videos})}
