from multiprocessing import active_children

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightning import LightningModule, Trainer

from avel.data.module import LoaderOptions
from avel.data.sampling import EpochSampler
from avel.data.unav100 import UnAV100
from avel.errors import UserError
from tests.unit.data import fitting
from tests.unit.data.files import write_tiny
from tests.unit.data.numbers import Numbers, epoch, loader


@given(st.integers(1, 50), st.integers(1, 4), st.integers(0, 5), st.integers(0, 3))
def test_training_gives_every_rank_equally_many_and_nobody_twice(size, ranks, seed, number):
    dataset = Numbers(size)
    drawn = []
    for rank in range(ranks):
        sampler = EpochSampler(dataset, training=True, seed=seed, rank=rank, world_size=ranks)
        sampler.set_epoch(number)
        keys = list(sampler)
        assert len(keys) == len(sampler) == size // ranks
        assert all(of == number for _, of in keys)
        drawn += [index for index, _ in keys]
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(range(size))


@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 9))
def test_evaluation_shares_out_the_batches_that_one_rank_has(size, ranks, batch_size):
    samplers = [
        EpochSampler(Numbers(size), training=False, batch_size=batch_size, rank=rank, world_size=ranks)
        for rank in range(ranks)
    ]
    drawn = [[index for index, _ in sampler] for sampler in samplers]
    assert [len(sampler) for sampler in samplers] == [len(indices) for indices in drawn]
    batches = [indices[i : i + batch_size] for indices in drawn for i in range(0, len(indices), batch_size)]
    whole = [[*range(size)[i : i + batch_size]] for i in range(0, size, batch_size)]
    idle = max(ranks - len(whole), 0)
    assert sorted(batches) == sorted(whole + idle * [whole[0]])


def test_an_empty_split_has_no_batches_on_any_rank():
    assert [len(EpochSampler(Numbers(0), training=False, rank=rank, world_size=2)) for rank in (0, 1)] == [0, 0]


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 30))
def test_ranks_train_on_the_batches_of_one(batch_size, ranks, size):
    def batches(size_of_batch, **share):
        sampler = EpochSampler(Numbers(size), training=True, **share)
        indices = [index for index, _ in sampler]
        return [set(indices[i : i + size_of_batch]) for i in range(0, len(indices) - size_of_batch + 1, size_of_batch)]

    shares = [batches(batch_size, rank=rank, world_size=ranks) for rank in range(ranks)]
    assert [set.union(*parts) for parts in zip(*shares, strict=True)] == batches(batch_size * ranks)


def test_order_is_decided_by_seed_and_epoch():
    assert epoch(loader(seed=1), 3) == epoch(loader(seed=1), 3)
    assert epoch(loader(seed=1), 3) != epoch(loader(seed=1), 4)
    assert epoch(loader(seed=1), 3) != epoch(loader(seed=2), 3)


def indices(size, number, **options):
    return [[index for index, *_ in batch] for batch in epoch(loader(size, **options), number)]


def test_a_fixed_order_is_that_of_the_data_in_every_epoch():
    assert indices(7, 0, order="fixed") == indices(7, 1, order="fixed") == [[0, 1], [2, 3], [4, 5]]


def test_an_order_that_is_shuffled_once_is_the_same_in_every_epoch_but_for_the_crops():
    assert indices(11, 0, order="shuffled_once") == indices(11, 1, order="shuffled_once") == indices(11, 0)
    assert indices(11, 0, order="shuffled_once", seed=1) != indices(11, 0, order="shuffled_once")
    assert epoch(loader(order="shuffled_once"), 0) != epoch(loader(order="shuffled_once"), 1)


def test_a_shuffled_first_batch_is_drawn_from_all_and_the_rest_stays():
    drawn = [indices(9, number, order="first_batch_shuffled", first=2) for number in range(30)]
    assert all(batches[1:] == [[2, 3], [4, 5], [6, 7]] for batches in drawn)
    assert {index for batches in drawn for index in batches[0]} == set(range(9))
    assert all(len(set(batches[0])) == 2 for batches in drawn)


def test_a_shuffled_first_batch_is_that_of_all_ranks():
    ranks = [indices(12, 5, order="first_batch_shuffled", first=4, rank=rank, world_size=2) for rank in (0, 1)]
    assert [batch for rank in ranks for batch in rank[1:]] == [[4, 6], [8, 10], [5, 7], [9, 11]]


def test_an_unknown_order_is_refused():
    with pytest.raises(UserError, match="data.loader.order=sorted: unknown, choose one of shuffled, shuffled_once"):
        loader(order="sorted")


def test_workers_do_not_change_what_is_drawn():
    assert epoch(loader(workers=2), 1) == epoch(loader(workers=0), 1)


def test_batches_that_are_put_back_are_given_again():
    stopped, whole = loader(), epoch(loader(), 4)
    stopped.sampler.set_epoch(4)
    batches = iter(stopped)
    assert [next(batches) for _ in range(3)] == whole[:3]
    stopped.put_back(2)
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    assert epoch(resumed, 4) == whole[1:]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("taken", [0, 1, 3, 5])
def test_a_restored_loader_goes_on_where_it_was(workers, taken):
    interrupted, whole = loader(workers=workers), epoch(loader(), 4)
    interrupted.sampler.set_epoch(4)
    batches = iter(interrupted)
    assert [next(batches) for _ in range(taken)] == whole[:taken]
    resumed = loader(workers=workers)
    resumed.load_state_dict(interrupted.state_dict())
    assert len(resumed) == len(whole)  # Lightning counts batches from the start of the epoch
    assert epoch(resumed, 4) == whole[taken:]
    assert epoch(resumed, 5) == epoch(loader(), 5)


def test_a_place_in_a_finished_epoch_does_not_shorten_the_next():
    finished = loader()
    epoch(finished, 0)
    resumed = loader()
    resumed.load_state_dict(finished.state_dict())
    assert epoch(resumed, 1) == epoch(loader(), 1)


@pytest.mark.parametrize("order", ["shuffled", "shuffled_once", "fixed"])
def test_a_sought_place_is_one_in_the_epoch_s_order(order):
    sought, whole = loader(order=order), epoch(loader(order=order), 4)
    sought.seek(4, 2)
    assert list(sought) == whole[2:]
    sought.seek(4)
    assert list(sought) == whole


def test_a_place_is_kept_until_it_is_taken():
    resumed = loader()
    resumed.load_state_dict(place := {"epoch": 4, "batches": 3, "step_size": 2})
    assert resumed.state_dict() == place
    next(batches := iter(resumed))
    assert resumed.state_dict() == place | {"epoch": 0, "batches": 1}
    assert len(list(batches)) == len(resumed) - 1


def test_a_closed_loader_ends_its_workers_and_can_be_drawn_from_again():
    others = active_children()
    closed = loader(workers=1, persistent_workers=True)
    drawn = epoch(closed, 1)
    assert len(active_children()) == len(others) + 1
    closed.close()
    assert active_children() == others
    assert epoch(closed, 1) == drawn


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_keeps_its_one_line(workers):
    reader = loader(20, workers=workers)
    with pytest.raises(UserError) as caught:
        list(reader)
    assert str(caught.value) == "v13.npy: is empty: data.allow_missing=true"
    reader.task = "desed"
    with pytest.raises(UserError, match=r"^v13.npy: is empty: data\.sets\.desed\.allow_missing=true$"):
        list(reader)


def fit(root, folder, *, workers=0, **options):
    loader = LoaderOptions(batch_size=2, eval_batch_size=2, num_workers=workers)
    return fitting.fit(UnAV100(root=root, loader=loader), folder, **options)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("data") / "unav100")


@pytest.mark.parametrize(
    "options",
    # Lightning makes the loaders before it restores their places if the optimizer asks for the number of steps.
    [{}, {"limit_train_batches": 3}, {"accumulate_grad_batches": 2}, {"asks_for_steps": True}],
    ids=str,
)
def test_lightning_resumes_with_the_batches_that_would_have_come(root, tmp_path, options):
    """Checkpoints after every step, in the middle and at the ends of epochs, before and behind validation."""
    whole = fit(root, tmp_path, callbacks=[fitting.SaveEverywhere(tmp_path)], **options)
    assert len(whole) == 3 * options.get("limit_train_batches", 4)
    checkpoints = sorted(tmp_path.glob("*.ckpt"))
    assert len(checkpoints) == len(whole) + 3 + 3
    for checkpoint in checkpoints:
        rest = fit(root, tmp_path, resume=checkpoint, **options)
        assert rest == whole[fitting.batches_before(checkpoint) :], checkpoint.name


def test_the_middle_of_an_epoch_needs_the_old_batch_size(root):
    def loader(batch_size):
        return UnAV100(root=root, loader=LoaderOptions(batch_size=batch_size)).train_dataloader()

    place = loader(2).state_dict() | {"batches": 1}
    other = loader(3)
    other.load_state_dict(place)
    with pytest.raises(UserError, match="2 videos per step on all ranks, now there are 3"):
        next(iter(other))
    other.load_state_dict(place | {"batches": 0})
    assert len(next(iter(other))) == 3
    before = len(loader(2))
    assert before > len(other)
    other.load_state_dict(place | {"batches": before - 1})
    with pytest.raises(UserError, match="in the middle of an epoch"):
        next(iter(other))
    other.load_state_dict(place | {"batches": before})
    assert not [*other]


def test_lightning_resumes_with_workers(root, tmp_path):
    whole = fit(root, tmp_path, callbacks=[fitting.SaveEverywhere(tmp_path)], workers=2)
    assert fit(root, tmp_path, resume=tmp_path / "step-1-1.ckpt", workers=2) == whole[6:]


def test_lightning_overfits_one_batch(root, tmp_path):
    with pytest.warns(UserWarning, match="overfit"):
        seen = fit(root, tmp_path, overfit_batches=1)
    assert [videos for _, videos, _ in seen] == [seen[0][1]] * 3


def test_lightning_predicts_every_video_once(root):
    class Names(LightningModule):
        def predict_step(self, batch):
            return batch.videos

    data = UnAV100(root=root, loader=LoaderOptions(eval_batch_size=2))
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    assert sum(trainer.predict(Names(), data), []) == [f"synthetic_test_{i:05d}" for i in range(3)]
