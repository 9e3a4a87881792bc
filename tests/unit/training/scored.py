"""The toy module with scores that a test chooses."""

from lightning.pytorch import Trainer

from tests.unit.training.toy import ResumableLoader, Toy


class Scored(Toy):
    """Logs a loss, a learning rate, and `scores[epoch]` as the validation's and the test's mAP."""

    def __init__(self, scores):
        super().__init__()
        self.scores = scores

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.log_dict({"train/loss": float(self.global_step), "lr": 0.05})
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val/map", self.scores[self.current_epoch])

    def test_step(self, batch, batch_idx):
        self.log("test/map", 0.5)


def fit(*callbacks, scores, loggers=(), resume=None):
    """Fit for as many epochs as there are scores."""
    trainer = Trainer(
        callbacks=list(callbacks),
        logger=list(loggers),
        max_epochs=len(scores),
        accelerator="cpu",
        log_every_n_steps=1,
        num_sanity_val_steps=0,
        enable_progress_bar=any("Progress" in type(callback).__name__ for callback in callbacks),
        enable_model_summary=False,
        enable_checkpointing=any("Checkpoint" in type(callback).__name__ for callback in callbacks),
    )
    trainer.fit(Scored(scores), ResumableLoader(), ResumableLoader(), ckpt_path=resume)
    return trainer
