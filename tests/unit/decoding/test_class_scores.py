import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.decoding.class_scores import VideoClasses, label_proposals
from avel.decoding.detections import Detections
from avel.errors import UserError


def proposals(*scores):
    start = torch.arange(len(scores), dtype=torch.float64)
    return Detections(torch.stack((start, start + 1), dim=1), torch.tensor(scores), torch.zeros(len(scores)).long())


def test_every_proposal_is_reported_for_the_best_classes():
    found = label_proposals(proposals(0.81, 0.09), torch.tensor([0.1, 0.25, 0.0, 0.64]), 2)
    assert found.labels.tolist() == [3, 1, 3, 1]
    assert_close(found.scores, torch.tensor([0.72, 0.45, 0.24, 0.15]))
    assert found.segments[:, 0].tolist() == [0, 0, 1, 1]


probability = st.floats(0, 1, width=32)


@given(st.lists(probability, max_size=5), st.lists(probability, min_size=1, max_size=4), st.integers(1, 5))
def test_best_first_and_as_many_as_there_are(scores, classes, top_k):
    found = label_proposals(proposals(*scores), torch.tensor(classes), top_k)
    assert len(found.scores) == len(scores) * min(top_k, len(classes))
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    for (start, _), score, label in found.rows():
        assert score == pytest.approx((scores[int(start)] * classes[label]) ** 0.5, abs=1e-6)


def test_a_video_without_scores_is_named():
    classes = VideoClasses({"a": torch.tensor([0.5, 0.4])}, top_k=1)
    assert classes.label("a", proposals(0.5)).labels.tolist() == [0]
    with pytest.raises(UserError, match="decoder.class_scores: the file has no scores of video 'b'"):
        classes.label("b", proposals(0.5))
