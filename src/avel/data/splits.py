"""Draws the splits that annotations lack from their training videos."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from avel.data.annotations import Annotations
from avel.data.module import SPLITS
from avel.errors import UserError


def draw_splits(annotations: Annotations, shares: Mapping[str, float], source: Path) -> Annotations:
    """Move training videos, chosen by a hash of their ids, to splits that have none; a warning says how many.

    Args:
        annotations: the checked annotations.
        shares: split -> its share of the training videos if it has no videos; 0 leaves it without.
        source: where the annotations come from, for messages.

    Raises:
        UserError: no training video would be left.
    """
    training = annotations.split("train")
    lacking = {split: share for split, share in shares.items() if share and training and not annotations.split(split)}
    found, left = annotations, 1.0
    for split, share in lacking.items():
        found, left = found.hold_out(share / left, split), left - share
    if not lacking:
        return found
    if not found.split("train"):
        raise UserError(
            f"{source}: has {len(training)} training videos, too few to draw the splits {' and '.join(lacking)} from:"
            " annotate more"
        )
    counts = ", ".join(f"{len(found.split(split))} {split}" for split in SPLITS)
    warnings.warn(
        f"{source}: has no {' and no '.join(lacking)} split; drawn by a hash of the videos' ids: {counts}", stacklevel=3
    )
    return found
