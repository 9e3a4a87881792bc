"""Tiny synthetic data sets for the tests that need files on disk."""

import csv
import json
from pathlib import Path

from avel.data.synthetic import SyntheticOptions, write_unav100
from avel.data.synthetic_ave import SyntheticAVEOptions, write_ave
from avel.data.synthetic_dense import SyntheticDenseOptions, write_dense

TINY = (
    "size=narrow",
    "data.max_length=64",
    "data.loader.batch_size=4",
    "method.pyramid.dim=16",
    "method.head.dim=16",
)
"""Overrides that make a run of seconds."""


def write_tiny(data_dir: Path, *, features: str = "one_peace") -> Path:
    """Write 24 videos of 3 classes as `data_dir`/unav100."""
    options = SyntheticOptions(videos=24, classes=3, visual_dim=6, audio_dim=4, features=features, difficulty=0.2)
    write_unav100(data_dir / "unav100", options)
    return data_dir


def write_tiny_custom(folder: Path) -> Path:
    """Write 24 videos of 3 classes as `folder`/annotations.csv, without splits, and `folder`/features."""
    root = write_tiny(folder / "made") / "unav100"
    database = json.loads((root / "annotations" / "unav100_annotations.json").read_text())["database"]
    with (folder / "annotations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["video", "start", "end", "label"])
        for video, entry in database.items():
            rows.writerows([f"{video}.mp4", *event["segment"], event["label"]] for event in entry["annotations"])
    write_manifest(root / "av_features")
    (root / "av_features").rename(folder / "features")
    return folder


def write_manifest(folder: Path) -> None:
    """Say in a folder of ONE-PEACE files what they are."""
    endings = {"visual": ["_one_peace_video_finetune.npy"], "audio": ["_one_peace_audio.npy"]}
    (folder / "manifest.json").write_text(json.dumps(endings | {"fps": 16, "stride": 4, "window": 16}))


def write_tiny_ave(data_dir: Path) -> Path:
    """Write 30 videos of 3 classes and 6 of background alone as `data_dir`/ave."""
    options = SyntheticAVEOptions(videos=30, classes=3, background_videos=6, visual_dim=6, audio_dim=4)
    write_ave(data_dir / "ave", options)
    return data_dir


def write_tiny_dense(data_dir: Path, dataset: str, *, features: str | None = None) -> Path:
    """Write 30 videos of 3 classes as `data_dir`/activitynet13, desed or thumos14."""
    options = SyntheticDenseOptions(videos=30, classes=3, visual_dim=6, audio_dim=4, features=features, difficulty=0.2)
    write_dense(data_dir / dataset, dataset, options)
    return data_dir
