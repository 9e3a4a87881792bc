"""Options of the trainer that do not fit the number of batches end in messages."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from avel.errors import UserError
from avel.training.batch_limits import limits_must_fit

BATCHES = 3


class Still(LightningModule):
    def training_step(self, batch, batch_idx):
        raise AssertionError("nothing is trained")

    def validation_step(self, batch, batch_idx): ...

    def configure_optimizers(self): ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val_check_interval": 4}, f"trainer.val_check_interval=4: an epoch has {BATCHES} batches; give at"),
        ({"limit_train_batches": 0.1}, "trainer: Lightning refuses its options: You requested to check 0.1"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned `None`")
def test_says_what_does_not_fit(options, message):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "num_sanity_val_steps": 0}
    trainer = Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **quiet, **options)
    batches = torch.utils.data.DataLoader(torch.zeros(BATCHES), batch_size=1)
    with pytest.raises(UserError) as caught, limits_must_fit(trainer):
        trainer.fit(Still(), batches, batches)
    assert str(caught.value).startswith(message)


def test_other_errors_stay_what_they_are():
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match="^boom$"), limits_must_fit(trainer):
        raise ValueError("boom")
