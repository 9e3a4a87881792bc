"""A data set of numbers, for the tests of what is drawn when."""

from torch.utils.data import Dataset

from avel.data.sampling import EpochSampler, ResumableLoader, sample_random
from avel.errors import UserError


class Numbers(Dataset):
    """Gives the keys it is asked for, and draws from their generator."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        if key[0] == 13:
            raise UserError("v13.npy: is empty: data.allow_missing=true")
        return (*key, sample_random(0, *reversed(key)).random())


def loader(
    size=11, *, workers=0, persistent_workers=False, training=True, batch_size=2, collate=list, **options
) -> ResumableLoader:
    dataset = Numbers(size)
    return ResumableLoader(
        dataset,
        batch_size=batch_size,
        sampler=EpochSampler(dataset, training=training, **options),
        drop_last=training,
        num_workers=workers,
        persistent_workers=persistent_workers,
        collate_fn=collate,
    )


def epoch(loader, number):
    loader.sampler.set_epoch(number)
    return list(loader)
