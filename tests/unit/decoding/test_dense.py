import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.batch import DensePrediction, TimeGrid
from avel.decoding.candidates import Candidates
from avel.decoding.dense import DenseDecoder
from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import assign_targets

GRID = TimeGrid(fps=16, stride=4, window=16)


@pytest.mark.parametrize("class_aware", [True, False])
def test_perfect_predictions_give_the_events_back(class_aware):
    segments = torch.tensor([[[2.0, 9.5], [4.0, 20.0], [22.0, 24.0]], [[0.5, 31.0], [0.0, 0.0], [0.0, 0.0]]])
    labels = torch.tensor([[0, 1, 0], [2, -1, -1]])
    points = pyramid_points(32, default_ranges(3))
    targets = assign_targets(points, segments, labels, num_classes=3, class_aware=class_aware)
    mask = torch.ones(2, 56, dtype=torch.bool)
    prediction = DensePrediction((targets.labels - 0.5) * 20, targets.offsets, mask)
    decoder = DenseDecoder(pre_nms_threshold=0.5, nms="hard", min_score=0.1)
    first, second = decoder.detect(decoder.candidates(prediction, points), torch.tensor([60.0, 6.0]), [GRID, GRID])
    assert sorted(first.labels.tolist()) == [0, 0, 1]
    for segment, label in zip(segments[0], labels[0], strict=True):
        distance = (first.segments - GRID.to_seconds(segment)).abs().amax(dim=1)
        assert first.labels[distance.argmin()] == label
        assert distance.min() < 1e-5
    assert_close(second.segments, torch.tensor([[0.625, 6.0]]).double())  # 31 snippets end at 8.25 s, the video at 6 s


def test_candidates_are_compact_and_padded_points_are_none():
    logits = torch.zeros(2, 7, 2)
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 1, 0, 1]], dtype=torch.bool)
    prediction = DensePrediction(logits, torch.ones(2, 7, 2), mask)
    points = pyramid_points(4, default_ranges(3))
    candidates = DenseDecoder().candidates(prediction, points)
    assert candidates.valid.sum(dim=1).tolist() == [14, 6]
    assert candidates.valid.shape == (2, 14)
    assert candidates.valid[1].tolist() == [True] * 6 + [False] * 8


def test_candidates_must_be_above_the_thresholds():
    prediction = DensePrediction(torch.zeros(1, 7, 2), torch.ones(1, 7, 2), torch.ones(1, 7, dtype=torch.bool))
    points = pyramid_points(4, default_ranges(3))
    assert not DenseDecoder(pre_nms_threshold=0.5).candidates(prediction, points).valid.any()
    coarse = DenseDecoder(min_length=2).candidates(prediction, points)  # those of stride 1 are as long
    assert (coarse.segments.diff(dim=2) > 2).all()
    assert coarse.valid.shape == (1, 6)


def test_no_candidates_at_all():
    prediction = DensePrediction(torch.full((1, 7, 2), -30.0), torch.ones(1, 7, 2), torch.ones(1, 7, dtype=torch.bool))
    for nms in ("soft", "hard", "none"):
        decoder = DenseDecoder(nms=nms)
        found = decoder.candidates(prediction, pyramid_points(4, default_ranges(3)))
        (detections,) = decoder.detect(found, torch.tensor([5.0]), [GRID])
        assert detections.segments.shape == (0, 2)
        assert list(detections.rows()) == []


def test_voters_weigh_by_score_or_also_by_how_much_they_overlap():
    segments = torch.tensor([[[0.0, 10.0], [0.0, 8.0]]])
    found = Candidates(segments, torch.tensor([[0.8, 0.4]]), torch.tensor([[0, 1]]), torch.ones(1, 2).bool())
    ends = {}
    for weight in ("score", "score_tiou"):
        decoder = DenseDecoder(
            nms="hard", per_class=False, iou_threshold=0.5, voting_threshold=0.7, voting_weight=weight
        )
        (detections,) = decoder.detect(found, torch.tensor([1e4]), [GRID])
        (ends[weight],) = GRID.to_snippets(detections.segments[:, 1]).tolist()
    # the pick (0.8) and a candidate (0.4) of tIoU 0.8 vote
    assert ends["score"] == pytest.approx((0.8 * 10 + 0.4 * 8) / 1.2)
    assert ends["score_tiou"] == pytest.approx((0.8 * 10 + 0.32 * 8) / 1.12)
    (detections,) = DenseDecoder(nms="hard").detect(found, torch.tensor([1e4]), [GRID])  # classes by themselves
    assert GRID.to_snippets(detections.segments[:, 1]).tolist() == [10, 8]


decoders = st.builds(
    DenseDecoder,
    nms=st.sampled_from(["soft", "hard"]),
    per_class=st.booleans(),
    pre_nms_threshold=st.sampled_from([0.001, 0.5]),
    pre_nms_topk=st.sampled_from([3, 2000]),
    max_events=st.sampled_from([1, 5, 100]),
)


@settings(max_examples=25)
@given(decoders, st.booleans(), st.integers(0, 99), st.lists(st.floats(0.5, 9), min_size=1, max_size=3))
def test_events_lie_in_their_video_best_first_whatever_the_batch(decoder, class_aware, seed, durations):
    generator, videos = torch.Generator().manual_seed(seed), len(durations)
    offsets = 4 * torch.rand(videos, 14, 3, 2, generator=generator)
    prediction = DensePrediction(
        3 * torch.randn(videos, 14, 3, generator=generator),
        offsets if class_aware else offsets[:, :, 0],
        torch.rand(videos, 14, generator=generator) < 0.8,
    )
    points, durations = pyramid_points(8, default_ranges(3)), torch.tensor(durations, dtype=torch.float64)
    found = decoder.detect(decoder.candidates(prediction, points), durations, [GRID] * videos)
    for row, events in enumerate(found):
        assert len(events.scores) <= decoder.max_events
        assert (events.scores.diff() <= 0).all()
        assert (events.segments >= 0).all()
        assert (events.segments <= durations[row]).all()
        assert (events.segments.diff(dim=1) >= 0).all()
        one = DensePrediction(*(t[row, None] for t in (prediction.logits, prediction.offsets, prediction.mask)))
        (alone,) = decoder.detect(decoder.candidates(one, points), durations[row, None], [GRID])
        for name in ("segments", "scores", "labels"):
            assert_close(getattr(events, name), getattr(alone, name))
