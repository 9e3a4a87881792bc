import pytest
import torch

from avel.batch import Batch, DensePrediction, Sample, TimeGrid, collate
from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLoss
from avel.methods.ccnet import CCNet
from avel.methods.unav import UnAV
from avel.tasks.checkpoint import load_method
from avel.tasks.dense import DenseLocalizer
from avel.training.optim import OptimizerRecipe

GRID = TimeGrid(fps=16, stride=4, window=16)
LEVELS, SIZE = 4, 64


class Oracle(DenseLocalizer):
    """Reads the event at each snippet off its features: (distance to start, distance to end, class or -1)."""

    def __init__(self):
        super().__init__(3, SIZE, LEVELS, False, None, None, None)
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


def narrow(kind, **changes):
    arguments = {
        "num_classes": 3,
        "visual_dim": 5,
        "audio_dim": 4,
        "max_length": 32,
        "pyramid": PyramidConfig(dim=4, heads=2, levels=3, stem_layers=1),
        "head": HeadConfig(dim=6, layers=2),
        "neck_dim": 4,
        "optimizer": OptimizerRecipe(lr=1e-3),
    }
    return kind(**arguments | changes)


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_methods_localize_long_videos_next_to_short_ones(kind):
    method = narrow(kind).eval()
    samples = [
        Sample(str(n), torch.randn(n, 5), torch.randn(n, 4), torch.zeros(0, 2), torch.zeros(0).long(), 1e4, GRID)
        for n in (100, 7)
    ]
    together = method.localize(collate(samples))
    for sample, detections in zip(samples, together, strict=True):
        alone = method.localize(collate([sample]))[0]
        torch.testing.assert_close(alone.scores, detections.scores)
        torch.testing.assert_close(alone.segments, detections.segments)


@pytest.mark.parametrize("kind", [UnAV, CCNet])
def test_a_checkpoint_rebuilds_its_method(kind, tmp_path):
    method = narrow(kind)
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert type(again) is kind
    assert again.hparams == method.hparams
    assert not again.training
    for name, tensor in method.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_a_checkpoint_cannot_name_code_of_others(tmp_path):
    torch.save({"method": "os.system", "hyper_parameters": {}}, tmp_path / "bad.ckpt")
    with pytest.raises(UserError, match="bad.ckpt names no method of avel"):
        load_method(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 31, 32])
def test_unav_leaves_one_padded_step_on_every_level(longest):
    method = narrow(UnAV)
    length = method.padded_length(longest)
    assert length % method.stride == 0
    for level in range(3):
        valid = -(-longest // 2**level)
        assert length == 32 or length // 2**level > valid


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: narrow(UnAV, row_mask="foo"), "row_mask=foo: unknown, choose one of per_video, released"),
        (lambda: narrow(CCNet, gate_mask="foo"), "gate_mask=foo: unknown, choose one of valid_keys, released"),
        (lambda: DenseDecoder(nms="hrd"), "decoder.nms=hrd: unknown, choose one of soft, hard, none"),
        (lambda: DenseLoss(same_class="first"), "loss.same_class=first: unknown, choose one of shortest, last"),
        (lambda: narrow(UnAV, pyramid=PyramidConfig(dim=5, heads=2)), "5 channels cannot be shared out to 2"),
    ],
)
def test_unknown_options_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        change()


def test_a_length_that_does_not_fit_the_pyramid_is_refused():
    with pytest.raises(UserError, match="max_length=30: 3 pyramid levels need a multiple of 4"):
        narrow(UnAV, max_length=30)
