"""What all data modules share; the order of their batches is in test_sampling."""

import pickle

import pytest

from avel.data.ave import AVE
from avel.data.module import LoaderOptions
from avel.data.unav100 import UnAV100
from tests.unit.data.ave_files import write_ave
from tests.unit.data.files import write_tiny


def unav100(folder, **options):
    return UnAV100(root=write_tiny(folder), **options)


def ave(folder, **options):
    return AVE(root=write_ave(folder), drop_leaked=True, **options)


@pytest.fixture(params=[unav100, ave])
def data(request, tmp_path):
    return request.param(tmp_path, loader=LoaderOptions(batch_size=2))


def batches(data):
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader(), data.predict_dataloader())
    return [batch for loader in loaders for batch in loader]


def test_a_data_set_that_is_alone_is_of_the_task_without_a_name(data):
    assert data.by_task() == {"": data}
    assert {batch.task for batch in batches(data)} == {""}


def test_batches_bear_the_name_of_the_task(data):
    unnamed = batches(data)
    data.task = "ours"
    assert data.by_task() == {"ours": data}
    named = batches(data)
    assert {batch.task for batch in named} == {"ours"}
    assert [batch.videos for batch in named] == [batch.videos for batch in unnamed]


def test_annotations_need_not_tell_what_is_only_heard(data):
    assert data.one_sided("test") == {}


def test_workers_can_be_told_the_task(data):
    data.task = "ours"
    collate = pickle.loads(pickle.dumps(data.val_dataloader().collate_fn))
    assert collate([data.dataset("validation", training=False)[0]]).task == "ours"
