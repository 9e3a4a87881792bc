"""Class scores of whole videos, as classifiers of ActivityNet publish them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from avel.data.text_files import read_json
from avel.errors import UserError


def read_class_scores(path: str | Path, class_names: Sequence[str]) -> dict[str, Tensor]:
    """Read which classes occur in which video.

    The file holds `{"results": {video id: [score of each class]}, "class": [name of each class]}`, as that of the CUHK
    team (ActivityNet challenge 2016/17), which papers on temporal action detection share.

    Args:
        path: the file.
        class_names: the C classes in the order that is wanted; without "class" the file must have it.

    Returns:
        video id -> scores (C,) float32.

    Raises:
        UserError: the file is missing, damaged, lacks a class, or has another number of scores than of classes.
    """
    try:
        document = read_json(Path(path), "file of class scores")
        names = list(document.get("class", class_names))
        results = {video: torch.tensor(scores, dtype=torch.float32) for video, scores in document["results"].items()}
    except UserError as error:
        raise UserError(f"{error}; method.decoder.class_scores=null does without") from None
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        raise UserError(
            f"{path}: cannot be read as class scores ({error!r}). Give a JSON file with"
            ' {"results": {video: [scores]}, "class": [names]}, or method.decoder.class_scores=null to do without'
        ) from None
    if absent := [name for name in class_names if name not in names]:
        raise UserError(f"{path}: has no scores of class {absent[0]!r} ({len(absent)} classes of the data are missing)")
    for video, scores in results.items():
        if scores.shape != (len(names),):
            raise UserError(f"{path}: video {video!r} has {scores.numel()} scores, but there are {len(names)} classes")
        if not scores.isfinite().all():
            raise UserError(f"{path}: video {video!r} has scores that are no finite numbers")
    order = torch.tensor([names.index(name) for name in class_names])
    return {video: scores[order] for video, scores in results.items()}
