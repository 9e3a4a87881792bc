"""Compares our decoding with what the released codes decoded from the same output."""

import torch
from torch import Tensor
from torch.testing import assert_close

from avel.batch import Batch, DensePrediction
from avel.decoding.dense import DenseDecoder
from avel.segments.points import default_ranges, pyramid_points


def check_decoding(
    decoder: DenseDecoder,
    prediction: DensePrediction,
    batch: Batch,
    levels: int,
    candidates: dict[str, Tensor],
    detections: dict[str, Tensor],
    tolerance: float,
) -> None:
    points = pyramid_points(batch.mask.shape[1], default_ranges(levels))
    found = decoder.candidates(prediction, points)
    assert found.valid.sum(dim=1).tolist() == candidates["count"].tolist()
    for name in candidates.keys() - {"count"}:  # some settings store only how many there are
        assert_close(getattr(found, name)[found.valid], candidates[name], rtol=tolerance, atol=tolerance)

    ours = decoder.detect(found, batch.durations, batch.grids)
    assert [len(video.scores) for video in ours] == detections["count"].tolist()
    first = 0
    for video in ours:
        rows = slice(first, first := first + len(video.scores))
        assert_close(video.scores, detections["scores"][rows], rtol=tolerance, atol=tolerance)
        check_same_up_to_ties(
            video, {name: tensor[rows] for name, tensor in detections.items() if name != "count"}, tolerance
        )


def check_same_up_to_ties(video, expected: dict[str, Tensor], tolerance: float) -> None:
    """Detections whose scores differ by less than rounding may stand in any order."""
    used = torch.zeros(len(video.scores), dtype=torch.bool)
    for score, label, segment in zip(expected["scores"], expected["labels"], expected["segments"], strict=True):
        same = (
            ~used
            & (video.labels == label)
            & ((video.scores - score).abs() <= tolerance)
            & ((video.segments - segment).abs().amax(dim=1) <= tolerance * (1 + segment.abs().max()))
        )
        assert same.any(), (score, label, segment)
        used[same.nonzero()[0]] = True
