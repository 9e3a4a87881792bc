"""DESED: clips of 10 seconds recorded at home, 10 classes of sounds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from avel.data.dense_module import DenseDataModule
from avel.data.event_checks import AnnotationRules
from avel.data.families import FAMILIES
from avel.data.tables import read_table
from avel.data.transforms import RandomCrop
from avel.errors import UserError

CLIP_SECONDS = 10.0
"""Length of a clip of which nothing says another one."""

SPAN = re.compile(r"_(\d+(?:\.\d+)?)_(\d+(?:\.\d+)?)$")
"""Seconds of the recording from and to which a clip was cut, as the clip's name ends."""

COLUMNS = ("filename", "onset", "offset", "event_label")


class DESED(DenseDataModule):
    """DESED, the real recordings with strong labels; see `DenseDataModule` for the arguments.

    Turpault et al., "Sound event detection in domestic environments with weakly labeled data and soundscape
    synthesis", DCASE 2019. On disk, as published: `root/metadata/validation/validation.tsv`, which methods train on,
    `root/metadata/eval/public.tsv`, which they are tested on, and `root/av_features/*.npy`.

    The conversion: a clip's id is its file name without ending, as listed (the second list leaves out the leading "Y").
    Its length is that of `root/metadata/eval/public_meta.tsv` if the clip is there, else from start and end in its
    name, else 10 s; events are clipped to it. A row without event stands for a clip without events. Class ids are the
    alphabetical order of the names.
    """

    # as the published evaluator of UnAV-100 builds it: its 0.3 is 0.30000000000000004
    tiou_grid = tuple(np.linspace(0.1, 0.9, 9).tolist())
    families = {"one_peace": replace(FAMILIES["one_peace"], max_length=64)}
    hint = (
        "Get the data: metadata and recordings from turpaultn/DESED, ONE-PEACE features through the README of"
        " ttgeng233/UniAV. data/README.md says where the files go.\n"
        "Or make some up: python scripts/make_synthetic.py desed --out DIR, then add paths.data_dir=DIR"
    )
    rules = AnnotationRules(subsets={"train": "train", "test": "test"}, beyond="clip")
    training_crop = RandomCrop(keep_ratio=0.3, margin="half_window")

    def database(self) -> tuple[Path, Mapping[str, Any]]:
        """Parse the lists of both splits."""
        lists = {
            "train": self.find("metadata/validation/validation.tsv"),
            "test": self.find("metadata/eval/public.tsv"),
        }
        lengths = read_lengths(lists["test"].with_name("public_meta.tsv"))
        train, test = (read_clips(path, split, lengths) for split, path in lists.items())
        if twice := train.keys() & test.keys():
            raise UserError(f"{lists['test']}: {len(twice)} clips are in {lists['train']} too (first: {min(twice)!r})")
        if shared := recordings(train) & recordings(test):
            warnings.warn(
                f"{self.root}: clips of {len(shared)} recordings (first: {min(shared)!r}) are both in the training and"
                " in the test split",
                stacklevel=2,
            )
        return self.root / "metadata", train | test


def read_clips(path: Path, subset: str, lengths: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Parse a list of strong labels: clip -> entry in the layout of `avel.data.annotations`.

    Args:
        path: `.tsv` with the columns filename, onset, offset and event_label, one row per event.
        subset: what the clips are for.
        lengths: seconds of clips, as far as they are known.

    Raises:
        UserError: the file is missing or malformed; the message names the line.
    """
    clips: dict[str, dict[str, Any]] = {}
    for line, row in enumerate(read_table(path, COLUMNS, separator="\t"), start=2):
        clip = row["filename"].removesuffix(".wav")
        entry = {"subset": subset, "duration": lengths.get(clip) or nominal_length(clip), "annotations": []}
        rows = clips.setdefault(clip, entry)["annotations"]
        try:
            rows += _events(row)
        except ValueError:
            raise UserError(
                f"{path}, line {line}: {clip!r} needs onset and offset in seconds and a label, or none of them"
            ) from None
    return clips


def read_lengths(path: Path) -> dict[str, float]:
    """Parse a list of the columns filename and duration: clip -> seconds; none where there is no such file."""
    if not path.exists():
        return {}
    rows = read_table(path, ("filename", "duration"), separator="\t")
    try:
        return {row["filename"].removesuffix(".wav"): float(row["duration"]) for row in rows}
    except ValueError as error:
        raise UserError(f"{path}: a duration is no number of seconds: {error}") from None


def nominal_length(clip: str) -> float:
    """Return how many seconds of a recording a clip was cut out of, as its name says; 10 if it does not."""
    span = SPAN.search(clip)
    return float(span[2]) - float(span[1]) if span else CLIP_SECONDS


def recordings(clips: Iterable[str]) -> set[str]:
    """Return the recordings, by the 11 characters of a YouTube id, that clips were cut out of."""
    return {SPAN.sub("", clip)[-11:] for clip in clips}


def _events(row: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the event of a row, none if it stands for a clip without events."""
    onset, offset, label = row["onset"], row["offset"], row["event_label"]
    if not (onset or offset or label):
        return []
    if not label:
        raise ValueError
    return [{"segment": [float(onset), float(offset)], "label": label}]
