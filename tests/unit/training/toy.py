"""A tiny module and loaders to train for real."""

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

BATCHES = 4


class ResumableLoader:
    """Goes on behind the batches that had been handed out when its state was saved."""

    def __init__(self, workers=0):
        samples = torch.randn(2 * BATCHES, 3, generator=torch.Generator().manual_seed(1))
        self.loader = DataLoader(samples, batch_size=2, num_workers=workers)
        self.position = 0

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        start = self.position
        for index, batch in enumerate(self.loader):
            if index >= start:
                self.position = (index + 1) % len(self)
                yield batch

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


class Toy(LightningModule):
    """Two layers with dropout between them and a buffer that moves with every batch."""

    monitor = "map"

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.register_buffer("seen", torch.tensor(0.0))
        self.history = []
        self.validated = []

    def training_step(self, batch, batch_idx):
        self.seen += batch.mean()
        return self.layers(batch).square().mean() + batch_idx * self.layers[0].weight.sum()

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.history.append(weights(self))

    def validation_step(self, batch, batch_idx):
        self.validated.append(weights(self))

    test_step = validation_step

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.05)


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def train(folder, *callbacks, epochs=2, workers=0, module=None, loader=None, resume=None, **options):
    """Fit a `Toy` and return it with its trainer."""
    module = module or Toy()
    trainer = Trainer(
        default_root_dir=folder,
        callbacks=list(callbacks),
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(module, loader or ResumableLoader(workers), ResumableLoader(), ckpt_path=resume)
    return module, trainer


def assert_bitwise(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
