"""UnAV-100: 10,790 untrimmed videos, 100 classes of events that are both seen and heard."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningDataModule

from avel.batch import collate
from avel.data.annotations import Annotations, VideoAnnotation, read_annotations
from avel.data.dense import DatasetFacts, DenseDataset
from avel.data.features import FAMILIES, FeatureFolder
from avel.data.sampling import EpochSampler, ResumableLoader
from avel.data.transforms import MODALITIES, RandomCrop
from avel.errors import UserError, check_choice

SPLITS = ("train", "validation", "test")

HINT = (
    "Get the data: Hugging Face dataset ttgeng233/UnAV-100 or the drive of the UnAV-100 project page;"
    " ONE-PEACE features through the READMEs of UniAV and CCNet. data/README.md says where the files go.\n"
    "Or make some up: python scripts/make_synthetic.py unav100 --out DIR, then add paths.data_dir=DIR"
)


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """How batches are made.

    Attributes:
        batch_size: videos in a training batch (of each rank).
        eval_batch_size: videos in a batch of evaluation.
        num_workers: processes that read ahead; 0 reads in the main process.
    """

    batch_size: int = 16
    eval_batch_size: int = 16
    num_workers: int = 0

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("eval_batch_size", 1), ("num_workers", 0)):
            if not isinstance(value := getattr(self, name), int) or value < least:
                raise UserError(f"data.loader.{name}={value}: give a whole number from {least} on")


class UnAV100(LightningDataModule):
    """UnAV-100 with precomputed features.

    Geng et al., "Dense-localizing audio-visual events in untrimmed videos: a large-scale benchmark and
    baseline", CVPR 2023. On disk: `root/annotations/unav100_annotations.json` and `root/av_features/*.npy`.

    Args:
        root: folder of the data set.
        features: family of feature files: one_peace or i3d_vggish.
        modality: both, audio or visual; the absent one is zeroed.
        max_length: snippets of a training sample at most, None for that of the family; evaluation gives whole
            videos.
        num_classes: number of classes, None to take it from the annotations; a number is checked against
            them.
        visual_dim: channels of the visual features, None to take them from the files; a number is checked.
        audio_dim: the same for the audio features.
        crop: random crop of training samples.
        loader: how batches are made.
        seed: of order and crops.
        predict_split: split that `predict_dataloader` gives.
        allow_missing: leave videos without feature files out instead of failing (videos vanish from the web).

    Raises:
        UserError: an unknown family, modality or split; when files are read, whatever is wrong with them.
    """

    # as the published evaluator builds it: its 0.3 is 0.30000000000000004
    tiou_grid = tuple(np.linspace(0.1, 0.9, 9).tolist())

    def __init__(
        self,
        *,
        root: str | Path,
        features: str = "one_peace",
        modality: str = "both",
        max_length: int | None = None,
        num_classes: int | None = None,
        visual_dim: int | None = None,
        audio_dim: int | None = None,
        crop: RandomCrop | None = None,
        loader: LoaderOptions | None = None,
        seed: int = 0,
        predict_split: str = "test",
        allow_missing: bool = False,
    ) -> None:
        super().__init__()
        check_choice("data.features", features, FAMILIES)
        check_choice("data.modality", modality, MODALITIES)
        check_choice("data.predict_split", predict_split, SPLITS)
        stated = {"num_classes": num_classes, "visual_dim": visual_dim, "audio_dim": audio_dim}
        for name, number in (stated | {"max_length": max_length}).items():
            if number is not None and (not isinstance(number, int) or number < 1):
                raise UserError(f"data.{name}={number}: give a whole number from 1 on, or null")
        self.root = Path(root)
        self.features = FeatureFolder(self.root / "av_features", FAMILIES[features], HINT)
        self.modality = modality
        self._videos: dict[str, list[VideoAnnotation]] = {}
        self.max_length = max_length or FAMILIES[features].max_length
        self.stated = stated
        self.crop = crop or RandomCrop()
        self.loader = loader or LoaderOptions()
        self.seed = seed
        self.predict_split = predict_split
        self.allow_missing = allow_missing
        self._training: ResumableLoader | None = None
        self._place: dict[str, int] | None = None

    @cached_property
    def annotations(self) -> Annotations:
        """The checked annotations of all splits."""
        path = self.root / "annotations" / "unav100_annotations.json"
        if not path.is_file():
            raise UserError(f"{path}: no such file\n{HINT}")
        return read_annotations(path, num_classes=self.stated["num_classes"])

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, by class id."""
        return list(self.annotations.class_names)

    def facts(self) -> DatasetFacts:
        """Return what the data set is like, from the annotations and the headers of one video's files."""
        videos = [annotation.video for annotation in self.annotations.videos]
        shape = self.features.shape(self.features.first(videos))
        for name, found in (("visual_dim", shape.visual_dim), ("audio_dim", shape.audio_dim)):
            if self.stated[name] not in (None, found):
                raise UserError(
                    f"data.{name}={self.stated[name]}, but the features in {self.features.folder} are {found}"
                    f" wide: set data.{name}={found}, or null to take it from the files"
                )
        return DatasetFacts(
            num_classes=len(self.annotations.class_names),
            visual_dim=shape.visual_dim,
            audio_dim=shape.audio_dim,
            max_length=self.max_length,
            videos={split: len(self.annotations.split(split)) for split in SPLITS},
        )

    def videos(self, split: str) -> list[VideoAnnotation]:
        """The usable videos of a split; the first call checks that their files are there, whole and alike."""
        if split not in self._videos:
            self._videos[split] = self._checked(split)
        return self._videos[split]

    def targets(self, split: str) -> dict[str, dict[str, Any]]:
        """Ground truth for the metrics: all annotated videos, whether or not their features are there.

        Returns:
            video id -> {"video_id", "segments": (N, 2) float64 seconds, "labels": (N,) int64}.
        """
        return {
            annotation.video: {
                "video_id": annotation.video,
                "segments": torch.from_numpy(annotation.segments),
                "labels": torch.from_numpy(annotation.labels),
            }
            for annotation in self.annotations.split(split)
        }

    def durations(self, split: str) -> dict[str, float]:
        """Length in seconds of each usable video of a split."""
        return {annotation.video: annotation.duration for annotation in self.videos(split)}

    def setup(self, stage: str) -> None:
        """Check the files of the splits that the stage needs."""
        splits = {"fit": ("train", "validation"), "validate": ("validation",), "test": ("test",)}
        for split in splits.get(stage, (self.predict_split,)):
            self.videos(split)

    def state_dict(self) -> dict[str, Any]:
        """Return the place in the training epoch (called by the trainer for checkpoints).

        Lightning also asks the loader itself, but forgets to restore its place where the optimizer's schedule asks for
        the number of steps, because the loader is then made too early.
        """
        return self._training.state_dict() if self._training else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue in the place of a checkpoint (called by the trainer before loaders are made)."""
        self._place = state_dict

    def train_dataloader(self) -> ResumableLoader:
        """Cropped videos, shuffled, in full batches."""
        self._training = loader = self._loader("train", training=True)
        if self._place is not None:
            loader.load_state_dict(self._place)
        if len(loader) == 0:
            raise UserError(
                f"data.loader.batch_size={self.loader.batch_size} is more than a rank's share of the"
                f" {len(self.videos('train'))} training videos: choose a smaller one"
            )
        return loader

    def val_dataloader(self) -> ResumableLoader:
        """Whole validation videos in the order of the annotations."""
        return self._loader("validation")

    def test_dataloader(self) -> ResumableLoader:
        """Whole test videos in the order of the annotations."""
        return self._loader("test")

    def predict_dataloader(self) -> ResumableLoader:
        """Whole videos of `predict_split` in the order of the annotations."""
        return self._loader(self.predict_split)

    def _checked(self, split: str) -> list[VideoAnnotation]:
        annotations = self.annotations.split(split)
        if not annotations:
            raise UserError(f"{self.root}: the annotations have no video of the subset {split!r}")
        facts = self.facts()
        present = self.features.require([a.video for a in annotations], allow_missing=self.allow_missing)
        self.features.check(present, visual_dim=facts.visual_dim, audio_dim=facts.audio_dim)
        usable = set(present)
        return [annotation for annotation in annotations if annotation.video in usable]

    def _loader(self, split: str, *, training: bool = False) -> ResumableLoader:
        dataset = DenseDataset(
            self.videos(split),
            self.features,
            modality=self.modality,
            max_length=self.max_length if training else None,
            crop=self.crop,
            seed=self.seed,
        )
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        sampler = EpochSampler(dataset, training=training, seed=self.seed, rank=rank, world_size=world_size)
        return ResumableLoader(
            dataset,
            batch_size=self.loader.batch_size if training else self.loader.eval_batch_size,
            sampler=sampler,
            num_workers=self.loader.num_workers,
            collate_fn=collate,
            pin_memory=torch.cuda.is_available(),
            drop_last=training,
            persistent_workers=self.loader.num_workers > 0,
        )
