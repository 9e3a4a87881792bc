"""AVE: 4,143 videos of 10 seconds, 28 classes of events that are both seen and heard, one class per second."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from avel.batch import collate_clips
from avel.data.ave_annotations import KEY, check_label_files, read_ave_annotations, read_order
from avel.data.clips import ClipAnnotations, ClipDataset, ClipFacts, ClipFeatures, Indices
from avel.data.h5 import Axes, H5Array
from avel.data.module import LoaderOptions, LocalizationDataModule
from avel.errors import UserError, check_choice

Supervision = Literal["full", "weak"]
Splits = Literal["localization", "matching"]
Visual = Literal["maps", "vectors"]

FILE_NAMES = {"train": "train", "validation": "val", "test": "test"}
"""Split -> what its files begin with."""

ENDINGS: dict[str, str] = {"localization": "_order.h5", "matching": "_order_match.h5"}
"""Family of splits -> what its files end with."""

HINT = (
    "Get the data: the README of YapengTian/AVE-ECCV18 links to the features; annotations and order files lie in its"
    " folder data. data/README.md says where the files go.\n"
    "Or make some up: python scripts/make_synthetic.py ave --out DIR, then add paths.data_dir=DIR"
)


class AVE(LocalizationDataModule):
    """AVE with the features that its authors published; own data in the same files will do as well.

    Tian et al., "Audio-visual event localization in unconstrained videos", ECCV 2018. On disk, in `root`:
    `Annotations.txt`, order files, `audio_feature.h5`, `visual_feature.h5` and so on, see data/README.md. All labels
    are built from `Annotations.txt`; files of labels are compared with it where they are there.

    All files are checked before training, features by their headers: they take 8 GB, are read from disk video by video
    and looked at for NaN then.

    Args:
        root: folder of the data set.
        supervision: "weak" appends the background-only videos of the `*_noisy.h5` files to the training split.
        splits: "localization", or "matching" for the splits of cross-modality localization, of whose test videos each
            has a partial event.
        visual: "maps", or "vectors": of `visual_feature_vec.h5`, averaged maps where that is missing.
        single_snippets: train on single seconds (clips of T = 1); evaluation gives whole videos all the same.
        drop_leaked: leave videos out of training whose ids validation or test lists too, as other classes.
        class_names: the classes that may occur, in the order of their ids; None takes those of the annotations.
        num_classes: number of classes, None to take it from the annotations; a number is checked.
        visual_dim: channels of the visual features, None to take them from the file; a number is checked.
        audio_dim: the same for the audio features.
        positions: the same for the places H * W of a visual map (1 for vectors).
        loader: how batches are made.
        seed: of the order.
        predict_split: split that `predict_dataloader` gives.
        selection_split: split that `val_dataloader` gives, by which a checkpoint is chosen.

    Raises:
        UserError: an unknown choice; when files are read, whatever is wrong with them.
    """

    # as the published evaluator of UnAV-100 builds it: its 0.3 is 0.30000000000000004
    tiou_grid = tuple(np.linspace(0.1, 0.9, 9).tolist())
    snippet_seconds = 1.0

    def __init__(
        self,
        *,
        root: str | Path,
        supervision: Supervision = "full",
        splits: Splits = "localization",
        visual: Visual = "maps",
        single_snippets: bool = False,
        drop_leaked: bool = False,
        class_names: Sequence[str] | None = None,
        num_classes: int | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        positions: int | None = None,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        selection_split: str = "validation",
    ) -> None:
        super().__init__(
            collate_clips, loader=loader, seed=seed, predict_split=predict_split, selection_split=selection_split
        )
        check_choice("data.supervision", supervision, get_args(Supervision))
        check_choice("data.splits", splits, get_args(Splits))
        check_choice("data.visual", visual, get_args(Visual))
        if isinstance(class_names, str):
            raise UserError(f"data.class_names={class_names}: give a list, [{class_names}]")
        self.root = Path(root)
        self.supervision = supervision
        self.splits = splits
        self.visual = visual
        self.single_snippets = single_snippets
        self.drop_leaked = drop_leaked
        self.listed_classes = class_names
        self.stated = {
            "num_classes": num_classes,
            "visual_dim": visual_dim,
            "audio_dim": audio_dim,
            "positions": positions,
        }

    # What is on disk

    @cached_property
    def features(self) -> ClipFeatures:
        """The features of all videos, in weak supervision followed by those of the background-only ones."""
        audio = self._array("audio_feature.h5", {"videos": None, "snippets": None, "channels": None})
        visual = self._visual(audio)
        pool = self.visual == "vectors"
        if self.supervision == "full":
            return ClipFeatures((visual,), (audio,), pool)
        _, snippets, audio_dim = audio.shape
        axes = {"videos": None, "snippets": snippets, "channels": audio_dim}
        noisy_audio = self._array("audio_feature_noisy.h5", axes)
        height, width = visual.shape[2:-1] or (None, None)
        axes = {"videos": len(noisy_audio), "snippets": snippets, "height": height, "width": width}
        noisy_visual = self._array("visual_feature_noisy.h5", axes | {"channels": visual.shape[-1]})
        return ClipFeatures((visual, noisy_visual), (audio, noisy_audio), pool)

    @cached_property
    def annotations(self) -> ClipAnnotations:
        """The annotations of all videos, in weak supervision followed by those of the background-only ones."""
        audio, *noisy = self.features.audio
        path, background = self.root / "Annotations.txt", sum(map(len, noisy))
        annotations = read_ave_annotations(path, snippets=audio.shape[1], class_names=self.listed_classes, hint=HINT)
        if len(annotations) != len(audio):
            raise UserError(
                f"{path}: has {len(annotations)} lines, but {audio.path} {len(audio)} rows:"
                " use files that belong together"
            )
        check_label_files(self.root, annotations, background)
        return annotations.with_background(background)

    @cached_property
    def rows(self) -> dict[str, Indices]:
        """Split -> its videos, as numbers of the annotations and features, in the order of the files."""
        videos, sources = len(self.features.audio[0]), np.array(self.annotations.sources)
        rows = {
            split: read_order(self.root / f"{name}{ENDINGS[self.splits]}", videos, hint=HINT)
            for split, name in FILE_NAMES.items()
        }
        train, validation, test = (sources[rows[split]] for split in FILE_NAMES)
        if self.drop_leaked:
            rows["train"] = rows["train"][~np.isin(train, [*validation, *test])]
        elif len(leaked := np.intersect1d(train, test)):
            warnings.warn(
                f"{self.root}: {len(leaked)} video ids are both in the training and in the test split"
                f" (first: '{leaked[0]}'): data.drop_leaked=true leaves them out of training",
                stacklevel=2,
            )
        rows["train"] = np.append(rows["train"], np.arange(videos, len(self.annotations)))
        return rows

    def facts(self) -> ClipFacts:
        """Return what the data set is like, from the annotations and the headers of its files."""
        visual, audio = self.features.visual[0], self.features.audio[0]
        facts = ClipFacts(
            num_classes=len(self.class_names),
            visual_dim=visual.shape[-1],
            audio_dim=audio.shape[-1],
            positions=math.prod(visual.shape[2:-1]) if self.visual == "maps" else 1,
            snippets=audio.shape[1],
            videos={split: len(rows) for split, rows in self.rows.items()},
        )
        files = {"num_classes": self.root / "Annotations.txt", "audio_dim": audio.path}
        for name, number in self.stated.items():
            if number not in (None, found := getattr(facts, name)):
                raise UserError(
                    f"data.{name}={number}, but {files.get(name, visual.path)} says {found}:"
                    f" set data.{name}={found}, or null to take it from the file"
                )
        return facts

    def prepare(self, split: str) -> None:
        """Check all files (the first time)."""
        self.facts()
        self.places(split)

    # What the splits hold

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class id, without background."""
        return list(self.annotations.class_names)

    def memory(self) -> dict[str, Any]:
        """Return the classes."""
        return {"class_names": self.class_names}

    def videos(self, split: str) -> list[str]:
        """Ids of the videos of a split, in the order of its file."""
        return [self.annotations.videos[row] for row in self.rows[split]]

    def targets(self, split: str) -> dict[str, dict[str, Any]]:
        """Ground truth for the metrics of events; a video has one event or none.

        Returns:
            video id -> {"video_id", "segments": (N, 2) float64 seconds, "labels": (N,) int64}.
        """
        annotations, rows = self.annotations, self.rows[split]
        has_event = np.diff(annotations.segments) > 0
        return {
            annotations.videos[row]: {
                "video_id": annotations.videos[row],
                "segments": torch.from_numpy(annotations.segments[[row]][has_event[row]] * self.snippet_seconds),
                "labels": torch.from_numpy(annotations.classes[[row]][has_event[row]]),
            }
            for row in rows
        }

    def durations(self, split: str) -> dict[str, float]:
        """Length in seconds of each video of a split."""
        return dict.fromkeys(self.videos(split), self.annotations.snippets * self.snippet_seconds)

    def annotated_durations(self, split: str) -> dict[str, float]:
        """The same: all annotated videos have features."""
        return self.durations(split)

    def snippet_labels(self, split: str) -> dict[str, Tensor]:
        """Ground truth of a split: video id -> class of each snippet, (T,) int64; C is background."""
        labels = torch.from_numpy(self.annotations.snippet_labels()[self.rows[split]])
        return dict(zip(self.videos(split), labels, strict=True))

    def places(self, split: str) -> dict[str, Tensor]:
        """Where the sounding object is: video id -> (T, H, W) bool; empty where no file says so, or without maps."""
        if self.visual == "vectors" or not (path := self.root / "places.h5").exists():
            return {}
        videos, snippets, height, width, _ = self.features.visual[0].shape
        axes = {"videos": videos, "snippets": snippets, "height": height, "width": width}
        places = torch.from_numpy(H5Array(path, "places", axes).whole() > 0)
        return {self.annotations.videos[row]: places[row] for row in self.rows[split] if row < videos}

    def dataset(self, split: str, *, training: bool) -> ClipDataset:
        """The videos of a split, whole or, for training if it was asked for, by the second."""
        single = training and self.single_snippets
        return ClipDataset(self.annotations, self.rows[split], self.features, single_snippets=single)

    def _visual(self, audio: H5Array) -> H5Array:
        path, sizes = self.root / "visual_feature_vec.h5", {"videos": len(audio), "snippets": audio.shape[1]}
        if self.visual == "vectors" and path.exists():
            return self._array(path.name, sizes | {"channels": None})
        maps = self._array("visual_feature.h5", sizes | {"height": None, "width": None, "channels": None})
        if self.visual == "vectors":
            warnings.warn(f"{path}: no such file: the maps of {maps.path.name} are averaged on read", stacklevel=2)
        return maps

    def _array(self, name: str, axes: Axes) -> H5Array:
        return H5Array(self.root / name, KEY, axes, hint=HINT)
