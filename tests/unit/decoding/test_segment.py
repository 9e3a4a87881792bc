import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.decoding.segment import by_argmax, by_relevance, to_detections

CLASSES, LENGTH = 3, 7
LABELS = st.lists(st.lists(st.integers(0, CLASSES), min_size=LENGTH, max_size=LENGTH), min_size=1, max_size=4).map(
    torch.tensor
)


def test_argmax_takes_the_best_of_all_and_background_has_no_score():
    logits = torch.tensor([[[0.0, 2.0, 1.0], [1.0, 0.0, 3.0]]])
    labels, scores = by_argmax(logits)
    assert labels.tolist() == [[1, 2]]
    assert scores.shape == (1, 2, 2)
    torch.testing.assert_close(scores, logits.softmax(2)[..., :2])


def test_relevance_must_be_above_one_half():
    labels, _ = by_relevance(torch.tensor([[-1.0, 0.0, 1e-3, 5.0]]), torch.tensor([[0.0, 3.0]]), 2)
    assert labels.tolist() == [[2, 2, 1, 1]]


def test_relevance_gives_each_video_its_one_class_which_may_be_background():
    relevance, video_logits = torch.full((2, 3), 2.0), torch.tensor([[0.0, 1.0, 0.5], [0.0, 1.0, 4.0]])
    labels, scores = by_relevance(relevance, video_logits, 2)
    assert labels.tolist() == [[1] * 3, [2] * 3]
    assert scores.shape == (2, 3, 2)
    torch.testing.assert_close(scores[1, 0], torch.tensor(2.0).sigmoid() * video_logits[1].softmax(0)[:2])


def test_detections_by_hand():
    labels = torch.tensor([[0, 0, 2, 1, 0], [2, 2, 2, 2, 2]])
    scores = torch.zeros(2, 5, 2)
    scores[0, :, 0] = torch.tensor([0.5, 0.75, 0.125, 0.25, 1.0])
    scores[0, :, 1] = torch.tensor([0.0, 0.0, 0.0, 0.375, 0.0])
    found, nothing = to_detections(labels, scores, hop=0.5)
    assert found.segments.tolist() == [[0.0, 1.0], [1.5, 2.0], [2.0, 2.5]]
    assert found.segments.dtype == torch.float64
    assert found.labels.tolist() == [0, 1, 0]
    assert found.scores.tolist() == [0.625, 0.375, 1.0]
    assert (nothing.segments.shape, len(nothing.scores), len(nothing.labels)) == ((0, 2), 0, 0)


@given(LABELS, st.sampled_from([1.0, 0.25]))
def test_detections_rebuild_the_labels_and_average_the_scores(labels, hop):
    scores = torch.rand(*labels.shape, CLASSES, generator=torch.Generator().manual_seed(0))
    for row, found in enumerate(to_detections(labels, scores, hop=hop)):
        rebuilt = torch.full((LENGTH,), CLASSES)
        for (start, end), score, label in found.rows():
            span = slice(round(start / hop), round(end / hop))
            rebuilt[span] = label
            assert score == pytest.approx(float(scores[row, span, label].mean()))
        assert torch.equal(rebuilt, labels[row])


@given(LABELS)
def test_scores_elsewhere_do_not_matter(labels):
    """NaN outside an event, or in another class, stays there."""
    scores = torch.full((*labels.shape, CLASSES), torch.nan)
    own = labels < CLASSES
    row, time = own.nonzero(as_tuple=True)
    scores[row, time, labels[own]] = 0.5
    assert all((found.scores == 0.5).all() for found in to_detections(labels, scores, hop=1.0))
