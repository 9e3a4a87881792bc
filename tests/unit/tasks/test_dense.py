import pytest
import torch
from lightning import Callback, Trainer

from avel.batch import Batch, DensePrediction, Sample, TimeGrid, collate
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe
from tests.unit.methods.narrow import narrow

GRID = TimeGrid(fps=16, stride=4, window=16)
LEVELS, SIZE = 4, 64


class Oracle(DenseLocalizer):
    """Reads the event at each snippet off its features: (distance to start, distance to end, class or -1)."""

    def __init__(self):
        super().__init__(DenseTask(3, SIZE, class_aware=False), LEVELS, None)
        self.seen = []

    def forward(self, batch: Batch) -> DensePrediction:
        self.seen.append(tuple(batch.mask.shape))
        logits, offsets, masks = [], [], []
        for level in range(LEVELS):
            stride = 2**level
            x = batch.visual[:, ::stride]
            farthest = x[..., :2].amax(dim=2)
            low, high = self.ranges[level]
            here = (x[..., 2:] == torch.arange(3)) & ((farthest >= low) & (farthest < high))[..., None]
            logits.append(torch.where(here, 4.0, -20.0))
            offsets.append(x[..., :2] / stride)
            masks.append(batch.mask[:, ::stride])
        return DensePrediction(torch.cat(logits, 1), torch.cat(offsets, 1), torch.cat(masks, 1))

    def padded_length(self, longest: int) -> int:
        return SIZE


def video(name: str, length: int, events: list[tuple[int, int, int]]) -> Sample:
    visual = torch.full((length, 3), -1.0)
    for start, end, label in events:
        time = torch.arange(start, end)
        visual[time] = torch.stack([time - start, end - time, torch.full_like(time, label)], dim=1).float()
    return Sample(
        name, visual, torch.zeros(length, 1), torch.zeros(0, 2), torch.zeros(0).long(), length * GRID.hop + 1, GRID
    )


def best(detections, count):
    seconds = GRID.to_snippets(detections.segments[:count]).round().int().tolist()
    return sorted((*segment, label) for segment, label in zip(seconds, detections.labels[:count].tolist(), strict=True))


@pytest.mark.parametrize("length", [40, 64, 65, 150, 1000])
def test_events_of_any_place_are_found_once_in_videos_of_any_length(length):
    """No event here is longer than half a window, so some window sees each of them whole."""
    generator = torch.Generator().manual_seed(length)
    events, time = [], 3
    while time + 34 < length:
        duration = int(torch.randint(4, 31, (), generator=generator))
        events.append((time, time + duration, int(torch.randint(3, (), generator=generator))))
        time += duration + 5
    oracle = Oracle()
    long, short = oracle.localize(collate([video("long", length, events), video("short", 30, [(3, 15, 1)])]))
    assert best(long, len(events)) == events
    assert best(short, 1) == [(3, 15, 1)]
    rest = torch.cat([long.scores[len(events) :], short.scores[1:]])
    assert (rest < 0.5).all(), "duplicates are suppressed"
    assert all(shape[0] <= 2 and shape[1] == SIZE for shape in oracle.seen), "memory is bounded by the batch's windows"


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_methods_localize_long_videos_next_to_short_ones(kind):
    torch.manual_seed(0)  # scores that tie to the last bit may change places
    method = narrow(kind).eval()
    samples = [
        Sample(str(n), torch.randn(n, 5), torch.randn(n, 4), torch.zeros(0, 2), torch.zeros(0).long(), 1e4, GRID)
        for n in (100, 7)
    ]
    together = method.localize(collate(samples))
    for sample, detections in zip(samples, together, strict=True):
        alone = method.localize(collate([sample]))[0]
        torch.testing.assert_close(alone.scores, detections.scores, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alone.segments, detections.segments, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "warmup"),
    [
        ({"max_epochs": 3}, 8),
        ({"max_epochs": None, "max_steps": 9}, 8),
        ({"max_epochs": 3, "accumulate_grad_batches": 3}, 4),
        ({"max_epochs": 3, "limit_train_batches": 1}, 2),
    ],
    ids=str,
)
def test_warm_up_lasts_epochs_however_training_is_limited(options, warmup):
    method = narrow(UnAV, optimizer=OptimizerRecipe(lr=1e-3, warmup_epochs=2))
    rates = []

    class Rates(Callback):
        def on_train_batch_start(self, trainer, *_):
            rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    batch = collate(
        [Sample("v", torch.randn(9, 5), torch.randn(9, 4), torch.tensor([[1.0, 5]]), torch.tensor([1]), 9.0, GRID)]
    )
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", enable_model_summary=False, callbacks=[Rates()], **quiet, **options)
    trainer.fit(method, torch.utils.data.DataLoader([batch] * 4, batch_size=None))
    first, second = sorted(set(rates))[:2]
    assert first == 0
    assert second == pytest.approx(1e-3 / (warmup - 1))
