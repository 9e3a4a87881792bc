"""Events of unknown class get the classes of their video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from avel.decoding.detections import Detections
from avel.errors import UserError


@dataclass(frozen=True, slots=True)
class VideoClasses:
    """What a classifier of whole videos says.

    Attributes:
        scores: video id -> scores of the C classes, (C,), not negative.
        top_k: most probable classes that count.
    """

    scores: Mapping[str, Tensor]
    top_k: int = 2

    def label(self, video: str, proposals: Detections) -> Detections:
        """Report the proposals of a video for its classes (see `label_proposals`).

        Raises:
            UserError: the video has no scores.
        """
        if video not in self.scores:
            raise UserError(f"method.decoder.class_scores: the file has no scores of video {video!r}")
        return label_proposals(proposals, self.scores[video], self.top_k)


def label_proposals(proposals: Detections, class_scores: Tensor, top_k: int) -> Detections:
    """Report every proposal once for each of the most probable classes of its video.

    A proposal of score s becomes an event of score sqrt(s * c) of each class whose score in the video is c, as is usual
    on ActivityNet (Zhang et al., ActionFormer, ECCV 2022).

    Args:
        proposals: K events of a video; their labels do not matter.
        class_scores: scores of the C classes in the whole video, (C,), not negative.
        top_k: classes that the video is given.

    Returns:
        K * min(top_k, C) events, best first.
    """
    confidence, labels = class_scores.to(proposals.scores).topk(min(top_k, len(class_scores)))
    scores, order = (proposals.scores[:, None] * confidence).sqrt().flatten().sort(descending=True, stable=True)
    return Detections(proposals.segments[order // len(labels)], scores, labels[order % len(labels)])
