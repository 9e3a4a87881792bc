"""What all densely annotated data sets share: annotations plus feature files give samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset

from avel.batch import Sample
from avel.data.annotations import VideoAnnotation
from avel.data.features import FeatureFolder
from avel.data.sampling import sample_random
from avel.data.transforms import FeatureNoise, RandomCrop, keep_modality, resize


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """What a method and a trainer need to know about a data set before it is read.

    Attributes:
        num_classes: number of classes C.
        visual_dim: channels of the visual features.
        audio_dim: channels of the audio features.
        max_length: snippets that training samples have at most.
        videos: split -> number of annotated videos.
        class_names: names of the classes, by class id.
    """

    num_classes: int
    visual_dim: int
    audio_dim: int
    max_length: int
    videos: dict[str, int]
    class_names: list[str]


class DenseDataset(Dataset[Sample]):
    """Annotated videos with their features.

    Args:
        videos: annotations, in the order of the indices.
        features: where their features lie.
        modality: both, audio or visual; the absent one is zeroed.
        resize: snippets that every video is stretched or squeezed to; None leaves them.
        max_length: training: snippets after the crop at most; None (evaluation) gives whole videos.
        crop: how training samples are cropped.
        noise: what is added to their features.
        seed: of crop and noise.
    """

    def __init__(
        self,
        videos: Sequence[VideoAnnotation],
        features: FeatureFolder,
        *,
        modality: str = "both",
        resize: int | None = None,
        max_length: int | None = None,
        crop: RandomCrop | None = None,
        noise: FeatureNoise | None = None,
        seed: int = 0,
    ) -> None:
        self.videos = list(videos)
        self.features = features
        self.modality = modality
        self.resize = resize
        self.max_length = max_length
        self.crop = crop or RandomCrop()
        self.noise = noise or FeatureNoise()
        self.seed = seed

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Return the sample with key (index, epoch); a bare index means epoch 0.

        Raises:
            UserError: a feature file is missing or damaged; the message names it.
        """
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        sample = keep_modality(self._load(self.videos[index]), self.modality)
        if self.max_length is None:
            return sample
        random = sample_random(self.seed, epoch, index)
        cropped = self.crop(sample, max_length=self.max_length, random=random)
        return self.noise(cropped, whole=sample, random=random)  # last: crops are the same with and without noise

    def __getitems__(self, keys: Sequence[int | tuple[int, int]]) -> list[Sample]:
        """Return the samples of a batch (called by loaders instead of `__getitem__`): their files are read together."""
        indices = [key[0] if isinstance(key, tuple) else key for key in keys]
        self.features.expect([self.videos[index].video for index in indices])
        return [self[key] for key in keys]

    def _load(self, annotation: VideoAnnotation) -> Sample:
        visual, audio = self.features.load(annotation.video)
        grid = self.features.family.grid_at(annotation.fps)
        if self.resize is not None:
            visual, audio, grid = resize(visual, audio, grid, self.resize)
        return Sample(
            video=annotation.video,
            visual=visual,
            audio=audio,
            segments=grid.to_snippets(torch.from_numpy(annotation.segments).float()),
            labels=torch.from_numpy(annotation.labels),
            duration=annotation.duration,
            grid=grid,
        )
