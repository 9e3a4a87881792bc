import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.segments.nms import SuppressionRule, nms, vote
from tests.unit.segments import slow

rules = st.builds(
    SuppressionRule,
    method=st.sampled_from(["hard", "zeroing", "linear", "gaussian", "gated_gaussian"]),
    per_class=st.booleans(),
    tiou_threshold=st.sampled_from([0.0, 0.3, 0.7]),
    sigma=st.sampled_from([0.1, 0.5]),
    gate=st.sampled_from([(0.0, 0.0), (0.2, 0.05)]),
    min_score=st.sampled_from([0.0, 0.001, 0.3, 0.95]),
    max_segments=st.sampled_from([0, 1, 4, 100]),
)
# few instants, scores and classes, so that ties, duplicates and empty segments are common
candidate = st.tuples(st.integers(0, 12), st.integers(0, 6), st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.integers(0, 2))
distinct = st.tuples(st.integers(0, 12), st.integers(0, 6), st.floats(0.0625, 1, width=16), st.integers(0, 2))
videos = st.lists(st.lists(candidate, max_size=12), min_size=1, max_size=4)


def batch_of(rows):
    """Pad videos; what stands where there is no candidate must not matter."""
    width = max(len(video) for video in rows)
    segments = torch.full((len(rows), width, 2), torch.nan, dtype=torch.float64)
    scores = torch.full((len(rows), width), 1e9, dtype=torch.float64)
    labels = torch.full((len(rows), width), -1)
    valid = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, video in enumerate(rows):
        for j, (start, length, score, label) in enumerate(video):
            segments[i, j] = torch.tensor([start, start + length])
            scores[i, j], labels[i, j], valid[i, j] = score, label, True
    return segments, scores, labels, valid


@settings(max_examples=100, deadline=None)
@given(videos, rules)
def test_equals_the_plain_loops_for_every_video(rows, rule):
    segments, scores, labels, valid = batch_of(rows)
    picks = nms(segments, scores, labels, valid, rule=rule)
    for i, inside in enumerate(valid):
        expected, decayed = slow.nms(segments[i, inside], scores[i, inside], labels[i, inside], rule, ties="index")
        assert picks.index[i, picks.valid[i]].tolist() == expected.tolist()
        torch.testing.assert_close(picks.scores[i, picks.valid[i]], decayed, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(videos, rules)
def test_scores_descend_and_valid_picks_come_first(rows, rule):
    picks = nms(*batch_of(rows), rule=rule)
    assert picks.scores.shape == picks.index.shape == picks.valid.shape
    assert (picks.scores.diff(dim=1) <= 0).all()
    assert (picks.valid[:, :-1] >= picks.valid[:, 1:]).all()
    assert (picks.index[~picks.valid] == 0).all()


def picks_of(rows, rule):
    """The picked candidates of each video, as drawn, and their scores; bitwise comparable."""
    picks = nms(*batch_of(rows), rule=rule)
    return [
        [(row[i], score) for i, score in zip(index[valid].tolist(), scores[valid].tolist(), strict=True)]
        for row, index, scores, valid in zip(rows, picks.index, picks.scores, picks.valid, strict=True)
    ]


@settings(max_examples=30)
@given(videos, rules)
def test_picks_are_different_candidates_and_no_score_rises(rows, rule):
    inputs = batch_of(rows)
    picks = nms(*inputs, rule=rule)
    for index, scores, valid, before, candidates in zip(
        picks.index, picks.scores, picks.valid, inputs[1], inputs[3], strict=True
    ):
        assert len(index[valid].unique()) == valid.sum() <= rule.max_segments
        assert candidates[index[valid]].all()
        assert (scores[valid] <= before[index[valid]]).all()


@settings(max_examples=30)
@given(videos, rules)
def test_videos_do_not_see_each_other(rows, rule):
    assert picks_of(rows, rule) == [picks_of([video], rule)[0] for video in rows]


@settings(max_examples=30)
@given(videos, rules)
def test_classes_do_not_see_each_other(rows, rule):
    """The best picks of a video are the best of its classes' own; of ties the lower label comes first."""
    rule = replace(rule, per_class=True)
    for video, picks in zip(rows, picks_of(rows, rule), strict=True):
        alone = [picks_of([[row for row in video if row[3] == label]], rule)[0] for label in range(3)]
        assert picks == sorted(itertools.chain(*alone), key=lambda pick: -pick[1])[: rule.max_segments]


@settings(max_examples=30)
@given(st.lists(distinct, max_size=12, unique_by=lambda row: row[2]), rules, st.randoms())
def test_without_ties_the_order_of_candidates_does_not_matter(video, rule, random):
    rule = replace(rule, min_score=max(rule.min_score, 0.001))  # what is decayed to 0 is tied
    assert picks_of([random.sample(video, len(video))], rule) == picks_of([video], rule)


@settings(max_examples=30)
@given(videos, rules)
def test_hard_nms_leaves_its_own_picks_as_they_are(rows, rule):
    rule = replace(rule, method="hard")
    picks = picks_of(rows, rule)
    again = picks_of([[(*row[:2], score, row[3]) for row, score in video] for video in picks], rule)
    assert again == picks


@pytest.mark.parametrize("method", ["hard", "gaussian"])
@pytest.mark.parametrize("most", [5, 40])
def test_many_candidates_of_few_large_and_many_small_classes(method, most):
    """Classes of all sizes, some of which stop early and some of which are picked from to the end."""
    random = torch.Generator().manual_seed(0)
    labels = (torch.rand(2, 150, generator=random).pow(3) * 20).long()
    start, length, scores = torch.rand(3, 2, 150, generator=random, dtype=torch.float64)
    segments = torch.stack([start * 30, start * 30 + length * 10], dim=2)
    rule = SuppressionRule(method=method, tiou_threshold=0.3, min_score=0.1, max_segments=most)
    picks = nms(segments, scores, labels, torch.ones(2, 150, dtype=torch.bool), rule=rule)
    for i in range(2):
        expected, decayed = slow.nms(segments[i], scores[i], labels[i], rule, ties="index")
        assert picks.index[i, picks.valid[i]].tolist() == expected.tolist()
        torch.testing.assert_close(picks.scores[i, picks.valid[i]], decayed)


def test_inputs_stay_as_they_are():
    inputs = batch_of([[(0, 5, 0.9, 0), (1, 5, 0.5, 0)]])
    copies = [tensor.clone() for tensor in inputs]
    nms(*inputs, rule=SuppressionRule())
    torch.testing.assert_close(inputs, tuple(copies), equal_nan=True)


def test_soft_nms_keeps_the_first_of_a_class_below_min_score_and_no_other():
    inputs = batch_of([[(0, 5, 0.2, 0), (50, 5, 0.2, 0), (0, 5, 0.9, 1)]])
    picks = nms(*inputs, rule=SuppressionRule(min_score=0.3))
    assert picks.index[picks.valid].tolist() == [2, 0]


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_in_nothing_out(shape):
    empty = torch.zeros(shape)
    picks = nms(empty[..., None].expand(*shape, 2), empty, empty.long(), empty.bool(), rule=SuppressionRule())
    assert not picks.valid.any()
    assert len(picks.valid) == shape[0]


def test_voting_is_a_weighted_mean_of_overlapping_candidates():
    segments, scores, _, valid = batch_of([[(0, 10, 0.9, 0), (1, 10, 0.5, 1), (30, 2, 0.9, 0)]])
    picked = segments[:, :1]
    by_score = vote(picked, segments, scores, valid, tiou_threshold=0.5)
    torch.testing.assert_close(by_score[0, 0, 0], torch.tensor(0.5 / 1.4, dtype=torch.float64))
    by_both = vote(picked, segments, scores, valid, tiou_threshold=0.5, weight="score_tiou")
    tiou = 9 / 11
    torch.testing.assert_close(by_both[0, 0, 0], torch.tensor(0.5 * tiou / (0.9 + 0.5 * tiou), dtype=torch.float64))


def test_padding_does_not_vote_and_empty_segments_stay():
    segments, scores, _, valid = batch_of([[(0, 10, 0.9, 0), (3, 0, 0.5, 0)], [(5, 1, 0.5, 0)]])
    segments = segments.nan_to_num(5.5)
    voted = vote(segments, segments, scores, valid, tiou_threshold=0.5)
    torch.testing.assert_close(voted[0], segments[0])
    torch.testing.assert_close(voted[1, 0], segments[1, 0])
