"""A data set of short videos in memory, whose classes and places lie open, and a localizer that learns them."""

import torch
from lightning import LightningDataModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from avel.batch import Clip, ClipBatch, ClipPrediction, collate_clips
from avel.decoding.segment import by_argmax
from avel.tasks.segment import SegmentLocalizer
from avel.training.optim import StepRecipe

CLASSES, LENGTH, SIDE = 2, 6, 3


def make_clip(video, start, end, label, place):
    """One event, whose class is a channel of both streams, in the picture at one place."""
    visual, audio = torch.zeros(LENGTH, SIDE * SIDE, CLASSES), torch.zeros(LENGTH, CLASSES)
    visual[start:end, place, label] = audio[start:end, label] = 1
    labels = torch.full((LENGTH,), CLASSES)
    labels[start:end] = label
    return Clip(video, visual.view(LENGTH, SIDE, SIDE, CLASSES), audio, labels, label if end > start else CLASSES)


def make_clips(split, count, generator, events=()):
    """Clips with the given events and then with random ones."""
    while len(events) < count:
        span = torch.randperm(LENGTH + 1, generator=generator)[:2].sort().values.tolist()
        label, place = (int(torch.randint(high, (), generator=generator)) for high in (CLASSES, SIDE * SIDE))
        events = (*events, (*span, label, place))
    return [make_clip(f"{split} {index}", *event) for index, event in enumerate(events)]


class ClipData(LightningDataModule):
    """Splits of some clips; two of the test's have no event and one is all event."""

    class_names = ["dog", "bell"]
    tiou_grid = (0.5, 0.9)
    snippet_seconds = 0.5

    def __init__(self, *, batch_size=4, selection_split="validation", with_places=True):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.clips = {
            "train": make_clips("train", 64, generator),
            "validation": make_clips("validation", 6, generator),
            "test": make_clips("test", 9, generator, ((0, 0, 0, 0), (2, 2, 0, 0), (0, LENGTH, 1, 4))),
        }
        self.batch_size, self.selection_split, self.with_places = batch_size, selection_split, with_places

    def by_task(self):
        return {"": self}

    def memory(self):
        return {"class_names": self.class_names}

    def snippet_labels(self, split):
        return {clip.video: clip.labels for clip in self.clips[split]}

    def targets(self, split):
        return {clip.video: target(clip.video, clip.labels) for clip in self.clips[split]}

    def durations(self, split):
        return {clip.video: LENGTH * self.snippet_seconds for clip in self.clips[split]}

    def annotated_durations(self, split):
        return self.durations(split)

    def one_sided(self, split):
        return {}

    def places(self, split):
        return {clip.video: clip.visual.any(dim=3) for clip in self.clips[split]} if self.with_places else {}

    def batches(self, split):
        return DataLoader(self.clips[split], batch_size=self.batch_size, collate_fn=collate_clips)

    def train_dataloader(self):
        return self.batches("train")

    def val_dataloader(self):
        return self.batches(self.selection_split)

    def test_dataloader(self):
        return self.batches("test")

    predict_dataloader = test_dataloader


def target(video, labels, hop=ClipData.snippet_seconds):
    event = (labels < CLASSES).nonzero()[:, 0].tolist()
    segments = [[event[0] * hop, (event[-1] + 1) * hop]] if event else []
    return {
        "video_id": video,
        "segments": torch.tensor(segments, dtype=torch.float64).view(-1, 2),
        "labels": labels[event[:1]],
    }


class Toy(SegmentLocalizer):
    """A linear classifier of the mean of the map; looks where the map is largest."""

    def __init__(self, *, optimizer: StepRecipe | None = None) -> None:
        super().__init__(CLASSES, optimizer or StepRecipe(lr=0.1))
        self.save_hyperparameters(logger=False)
        self.classify = nn.Linear(2 * CLASSES, CLASSES + 1)

    def forward(self, batch):
        return self.classify(torch.cat([9 * batch.visual.mean(dim=(2, 3)), batch.audio], dim=2))

    def losses(self, batch: ClipBatch):
        loss = nn.functional.cross_entropy(self(batch).flatten(0, 1), batch.labels.flatten())
        return {"classification": loss, "decay": 1e-4 * self.classify.weight.square().sum()}

    def decide(self, batch: ClipBatch):
        attention = batch.visual.sum(dim=4).flatten(2).softmax(dim=2).view(batch.visual.shape[:4])
        return ClipPrediction(*by_argmax(self(batch)), attention)


def quiet_trainer(**options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", enable_model_summary=False, **quiet | {"max_epochs": 1} | options)
