"""The trainer that spreads the extraction of files over processes and machines."""

from __future__ import annotations

from datetime import timedelta

from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy

from avel.extraction.progress import ExtractionBar

PATIENCE = timedelta(days=7)
"""How long processes that are done wait for the others: the longest video may be one of many hours."""


def patient_trainer(*, accelerator: str = "cpu", devices: int | str = 1, num_nodes: int = 1) -> Trainer:
    """Return a trainer for `extract_folder`, with a progress bar.

    Args:
        accelerator: "cpu", or "gpu" for encoders that are networks.
        devices: processes, or GPUs, of each machine; -1 for all GPUs.
        num_nodes: machines, as a scheduler such as Slurm grants them.
    """
    alone = devices == 1 and num_nodes == 1
    return Trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=num_nodes,
        # gloo, on GPUs too: ranks tell each other who extracts what, and nothing else
        strategy="auto" if alone else DDPStrategy(process_group_backend="gloo", timeout=PATIENCE),
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,  # it counts files; ours knows how large they are
        callbacks=[ExtractionBar()],
    )
