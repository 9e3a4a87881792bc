"""A tiny training by Lightning, for the tests of what is drawn when."""

import warnings

import torch
from lightning import Callback, LightningModule, Trainer


class Recorder(LightningModule):
    """Notes what it gets; trains one number."""

    def __init__(self, asks_for_steps):
        super().__init__()
        self.asks_for_steps = asks_for_steps
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch):
        self.seen.append((batch.task, batch.videos, batch.visual.sum().item()))
        return self.weight**2 if len(batch) else None

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        assert len(batch.videos)

    def configure_optimizers(self):
        if self.asks_for_steps:
            assert self.trainer.estimated_stepping_batches > 0
        return torch.optim.SGD(self.parameters(), lr=0.1)


class SaveEverywhere(Callback):
    """Saves at every moment at which a ModelCheckpoint can."""

    def __init__(self, folder):
        self.folder = folder

    def on_train_batch_end(self, trainer, *_):
        trainer.save_checkpoint(self.folder / f"step-{trainer.current_epoch}-{trainer.fit_loop.batch_idx}.ckpt")

    def on_validation_end(self, trainer, *_):
        trainer.save_checkpoint(self.folder / f"validated-{trainer.current_epoch}-{trainer.fit_loop.batch_idx}.ckpt")

    def on_train_epoch_end(self, trainer, *_):
        trainer.save_checkpoint(self.folder / f"epoch-{trainer.current_epoch}.ckpt")


def fit(data, folder, *, resume=None, callbacks=(), asks_for_steps=False, **options):
    """Train three epochs; return task, videos and contents of all batches."""
    module = Recorder(asks_for_steps)
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )
    with warnings.catch_warnings():
        known = ("does not have many workers", "existing checkpoint", "isn't empty", "returned `None`")
        warnings.filterwarnings("ignore", f".*({'|'.join(known)}).*")
        trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return module.seen


def batches_before(checkpoint):
    """How many batches a run had seen when it wrote a checkpoint."""
    progress = torch.load(checkpoint, weights_only=True)["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    return progress["total"]["processed"]
