"""Tiny synthetic data sets for the tests that need files on disk."""

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
