"""Small data sets on disk for the tests of the readers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from avel.data.synthetic import SyntheticOptions, write_unav100

SHARED = Path(__file__).parents[4] / "shared" / "data"
"""Real annotation files, which lie outside of the repository."""

REAL = SHARED / "unav100" / "unav100_annotations.json"

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


def link(path, target):
    """Put a link to a real file where a reader looks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def counts(annotations):
    """Split -> numbers of videos and of events."""
    splits = {name: annotations.split(name) for name in ("train", "validation", "test")}
    return {name: (len(videos), sum(len(video.labels) for video in videos)) for name, videos in splits.items()}


def write_visual_only(root):
    """Write THUMOS14: ten training and two test videos of different frame rates, 40 snippets each."""
    database = {f"video_validation_{i:07d}": entry(event(1, 2), subset="Validation") for i in range(10)}
    database["video_test_0000001"] = entry(event(1, 3), subset="Test") | {"fps": 25.0}
    database["video_test_0000002"] = entry(event(1, 3), subset="Test")
    (root / "annotations").mkdir()
    (root / "annotations" / "thumos14.json").write_text(json.dumps({"database": database}))
    (root / "i3d_features").mkdir()
    for number, video in enumerate(database):
        np.save(root / "i3d_features" / f"{video}.npy", np.full((40, 6), number, np.float32))
    return root


def write_tiny(root, **changes):
    """Write 9 + 3 + 3 videos of 3 classes."""
    write_unav100(root, replace(TINY, **changes))
    return root


MANIFEST = {"visual": ["_v.npy"], "audio": ["_a.npy"], "fps": 8, "stride": 4, "window": 8}
"""Features of one's own: a snippet every half second that sees a second."""


def write_manifest(folder, **changes):
    """Write a manifest; a value of None leaves its key out."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {key: value for key, value in (MANIFEST | changes).items() if value is not None}
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def write_own_features(folder, lengths, *, visual_dim=3, audio_dim=2):
    """Write a manifest, and random features of videos: id -> snippets."""
    random = np.random.default_rng(0)
    write_manifest(folder)
    for video, length in lengths.items():
        np.save(folder / f"{video}_v.npy", random.normal(size=(length, visual_dim)).astype(np.float32))
        np.save(folder / f"{video}_a.npy", random.normal(size=(length, audio_dim)).astype(np.float32))
    return folder


def write_rows(path, *rows, header="video,start,end,label"):
    """Write a table of events."""
    path.write_text("\n".join([header, *rows, ""]))
    return path
