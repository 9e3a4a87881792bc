from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from avel.batch import Sample, TimeGrid, collate
from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.layers.heads import HeadConfig
from avel.layers.neck import NeckConfig
from avel.layers.single_stream import SingleStreamConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.actionformer import ActionFormer
from avel.tasks.loading import load_method

GRID = TimeGrid(fps=16, stride=4, window=16)
KINDS = {
    "local": {"positions": True, "relative_positions": True},
    "global": {"windows": None},
    "per level": {"windows": (5, 3, None)},
    "conv": {"block": "conv"},
    "conv without norm": {"block": "conv", "norm": False},
}
NECKS = {"identity": NeckConfig(), "fpn": NeckConfig(kind="fpn", dim=6)}
blocks = pytest.mark.parametrize("kind", KINDS)
necks = pytest.mark.parametrize("neck", NECKS)


def narrow(kind="local", **changes):
    torch.manual_seed(0)
    sizes = {"dim": 4, "heads": 2, "windows": 3, "stem_layers": 1, "levels": 3, "residual_scale": 0.5}
    arguments = {
        "num_classes": 3,
        "visual_dim": 5,
        "audio_dim": 4,
        "max_length": 32,
        "pyramid": SingleStreamConfig(**sizes | KINDS[kind]),
        "head": HeadConfig(dim=6, layers=2, class_aware=False),
    }
    return ActionFormer(**arguments | changes)


def videos(*lengths, audio_dim=4):
    torch.manual_seed(1)
    segments, labels = torch.tensor([[1.0, 4.5], [2.0, 20.0]]), torch.tensor([2, 0])
    return [Sample(str(n), torch.randn(n, 5), torch.randn(n, audio_dim), segments, labels, 1e4, GRID) for n in lengths]


@blocks
@necks
@pytest.mark.parametrize("streams", ["visual", "concat", "projected"])
def test_every_weight_learns_whatever_the_network_is_made_of(kind, neck, streams):
    method = narrow(kind, neck=NECKS[neck], streams=streams)
    losses = method.losses(collate(videos(32, 9)))
    assert losses.total.isfinite()
    losses.total.backward()
    silent = [name for name, p in method.named_parameters() if p.grad is None or not p.grad.any()]
    # a level that no event belongs to regresses nothing
    assert [name for name in silent if not name.startswith("regress.scales.")] == []


@blocks
@necks
@pytest.mark.parametrize("long_videos", ["whole", "windows"])
def test_predictions_depend_on_no_batch_mate(kind, neck, long_videos):
    method = narrow(kind, neck=NECKS[neck], long_videos=long_videos).eval()
    samples = videos(100, 7, 32, 45)
    for some in (samples, samples[1:3]):
        together = method.localize(collate(some))
        for sample, detections in zip(some, together, strict=True):
            (alone,) = method.localize(collate([sample]))
            assert_close(alone.scores, detections.scores, rtol=1e-5, atol=1e-5)
            assert_close(alone.segments, detections.segments, rtol=1e-5, atol=1e-4)


def test_a_long_video_is_seen_as_a_whole_or_in_windows():
    seen, (sample,) = {}, videos(100)
    for long_videos in ("whole", "windows"):
        method = narrow(long_videos=long_videos).eval()
        method.register_forward_pre_hook(lambda _, inputs, kind=long_videos: seen.setdefault(kind, inputs[0]))
        method.localize(collate([sample]))
    assert seen["whole"].mask.sum() == 100
    assert seen["windows"].mask.sum() == 32


@pytest.mark.parametrize(("streams", "hears"), [("visual", False), ("concat", True), ("projected", True)])
def test_streams_decide_what_enters(streams, hears):
    method, batch = narrow(streams=streams).eval(), collate(videos(20)).pad_to(24)
    silent = replace(batch, audio=torch.zeros_like(batch.audio))
    assert (not torch.allclose(method(batch).logits, method(silent).logits)) == hears


@pytest.mark.parametrize("streams", ["visual", "concat"])
def test_features_without_audio(streams):
    method, batch = narrow(audio_dim=0, streams=streams), collate(videos(20, 90, audio_dim=0))
    assert batch.audio.shape == (2, 90, 0)
    assert len(method.eval().localize(batch)) == 2
    with pytest.raises(UserError, match="method.streams=projected: these features have no audio"):
        narrow(audio_dim=0, streams="projected")


def test_projections_share_the_channels_or_have_widths_of_their_own():
    shared = narrow(streams="projected").pyramid
    assert [tuple(p.conv.weight.shape[:2]) for p in shared.projections] == [(2, 5), (2, 4)]
    pyramid = SingleStreamConfig(dim=4, heads=2, levels=3, projections=(7, 1))
    own = narrow(streams="projected", pyramid=pyramid).pyramid
    assert [tuple(p.conv.weight.shape[:2]) for p in own.projections] == [(7, 5), (1, 4)]
    assert own.embedding.convs[0].conv.weight.shape == (4, 8, 3)


@pytest.mark.parametrize("longest", [1, 7, 8, 9, 31, 32])
def test_one_padded_step_is_left_on_every_level(longest):
    method = narrow()
    length = method.padded_length(longest)
    assert length % method.stride == 0
    assert all(length == 32 or length // 2**level > -(-longest // 2**level) for level in range(3))


@pytest.mark.parametrize(("windows", "multiple"), [(None, 4), (3, 8), (5, 16), ((19, 7, None), 36)])
def test_longer_videos_are_padded_as_in_the_released_code(windows, multiple):
    method = narrow(pyramid=SingleStreamConfig(dim=4, heads=2, levels=3, windows=windows))
    longest = 10 * multiple
    assert [method.padded_length(longest + more) for more in (0, 1)] == [longest, longest + multiple]


@pytest.mark.parametrize("neck", ["identity", "fpn"])
def test_a_neck_may_begin_at_a_coarser_level_with_ranges_of_its_own(neck):
    ranges = [[0, 10], [5, 100]]
    method = narrow(neck=NeckConfig(kind=neck, first_level=1, ranges=ranges))
    batch = collate(videos(32))
    assert method(batch).logits.shape == (1, 16 + 8, 3)
    assert method.ranges == ((0, 10), (5, 100))
    assert narrow(neck=NeckConfig(first_level=1)).ranges == ((0, 8), (8, 10_000))
    method.losses(batch).total.backward()
    assert len(method.eval().localize(batch)[0].scores) > 0


def test_where_a_classifier_names_the_videos_the_network_finds_events_of_any_class():
    decoder = DenseDecoder(class_scores="scores.json", per_class=False)
    method, batch = narrow(decoder=decoder), collate(videos(32))
    assert method.num_classes == 1
    assert method(batch).logits.shape[2] == 1
    same = replace(batch, labels=torch.zeros_like(batch.labels))
    assert_close(method.losses(batch).total, narrow(decoder=decoder).losses(same).total)


def test_centre_sampling_leaves_fewer_points_positive():
    counts = []
    for radius in (None, 1.0):
        method = narrow(loss=DenseLossConfig(centre_radius=radius, initial_normalizer=0, normalizer_momentum=0))
        method.losses(collate(videos(32)))
        counts.append(method.criterion.normalizer.item())
    assert counts[0] > counts[1] > 0


@blocks
def test_a_checkpoint_rebuilds_the_method(kind, tmp_path):
    method = narrow(kind, neck=NeckConfig(ranges=((0, 4), (2, 8), (8, 99))), streams="projected")
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert again.hparams == method.hparams
    batch = collate(videos(32))
    assert_close(again(batch).logits, method.eval()(batch).logits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: narrow(streams="audio"), "method.streams=audio: unknown, choose one of visual, concat, projected"),
        (lambda: narrow(long_videos="cut"), "method.long_videos=cut: unknown, choose one of windows, whole"),
        (lambda: SingleStreamConfig(block="rnn"), "method.pyramid.block=rnn: unknown"),
        (lambda: SingleStreamConfig(windows=(3, 5)), r"method.pyramid.windows=\(3, 5\): give one for all levels, or 6"),
        (lambda: narrow(neck=NeckConfig(ranges=((0, 4),))), "1 regression ranges for 3 pyramid levels"),
        (lambda: narrow(neck=NeckConfig(first_level=3)), "first_level=3: there are 3 pyramid levels, the finest is 0"),
        (lambda: narrow(max_length=30), "max_length=30: 3 pyramid levels need a multiple of 4"),
        (
            lambda: narrow(streams="projected", pyramid=SingleStreamConfig(projections=(7,))),
            "method.pyramid.projections=.*: give one width for each of 2 streams",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        change()
