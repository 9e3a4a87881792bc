"""Small data sets on disk for the tests of the readers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from avel.data.synthetic import SyntheticOptions, write_unav100

REAL = Path(__file__).parents[4] / "shared" / "data" / "unav100" / "unav100_annotations.json"

TINY = SyntheticOptions(videos=15, classes=3, visual_dim=6, audio_dim=4)


def event(start=1.0, end=2.0, label="dog barking", label_id=0):
    return {"segment": [start, end], "label": label, "label_id": label_id}


def entry(*events, subset="train", duration=10.0):
    return {"subset": subset, "duration": duration, "annotations": list(events)}


def write_annotations(folder, database):
    """Write an annotation file; a string is written as it is."""
    path = folder / "annotations.json"
    path.write_text(database if isinstance(database, str) else json.dumps({"database": database}))
    return path


def write_features(folder, video, *, visual, audio):
    """Write ONE-PEACE files of one video from arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{video}_one_peace_video_finetune.npy", visual)
    np.save(folder / f"{video}_one_peace_audio.npy", audio)


def write_tiny(root, **changes):
    """Write 9 + 3 + 3 videos of 3 classes."""
    write_unav100(root, replace(TINY, **changes))
    return root
