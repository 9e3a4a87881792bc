"""Trainer options that ask for batches which an epoch does not have: a message in the place of a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from avel.errors import UserError


@contextmanager
def limits_must_fit(trainer: Trainer) -> Iterator[None]:
    """Run a stage of a trainer, whose options can be compared with the number of batches only then.

    Args:
        trainer: runs the stage.

    Raises:
        UserError: an interval or limit does not fit the number of batches.
    """
    try:
        yield
    except MisconfigurationException as error:
        raise UserError(f"trainer: Lightning refuses its options: {error}") from error
    except ValueError as error:
        if "`val_check_interval`" not in str(error):
            raise
        interval, batches = trainer.val_check_interval, int(trainer.num_training_batches)
        raise UserError(
            f"trainer.val_check_interval={interval}: an epoch has {batches} batch{'es' if batches > 1 else ''}; give at"
            " most as many, a share of the epoch (0.5), or trainer.check_val_every_n_epoch=null with it, to count on"
            " through the epochs"
        ) from error
