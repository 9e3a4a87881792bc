"""Training and evaluation of several tasks by one method: UniAV on small data sets in the official formats."""

from dataclasses import replace

import pytest
import torch
from lightning import seed_everything
from torch.testing import assert_close

from avel.batch import empty_batch
from avel.data.desed import DESED
from avel.data.module import LoaderOptions
from avel.data.multitask import MultitaskDataModule
from avel.data.unav100 import UnAV100
from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.events import EventTable
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.methods.uniav import UniAV
from avel.tasks.dense_task import DenseTask
from avel.training.optim import OptimizerRecipe
from tests.synthetic import write_tiny, write_tiny_dense
from tests.unit.tasks.clips import quiet_trainer

LENGTH, CLASSES = 32, 3
TASKS = {
    "unav100": DenseTask(CLASSES, LENGTH, decoder=DenseDecoder(max_events=5)),
    "desed": DenseTask(CLASSES, LENGTH, class_aware=False, decoder=DenseDecoder(max_events=2), weight=0.5),
}
LOADER = LoaderOptions(batch_size=4, eval_batch_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_tiny(tmp_path_factory.mktemp("data"))
    return write_tiny_dense(folder, "desed")


def make_sets(folder, **options):
    shared = {"features": "one_peace", "max_length": LENGTH, "loader": LOADER}
    return {
        "unav100": UnAV100(root=folder / "unav100", **shared | options),
        "desed": DESED(root=folder / "desed", **shared | options),
    }


@pytest.fixture
def data(folder):
    return MultitaskDataModule(make_sets(folder), rounds=2)


def make_method(tasks=TASKS):
    seed_everything(0, verbose=False)
    method = UniAV(
        visual_dim=6,
        audio_dim=4,
        prompt_dim=5,
        tasks=tasks,
        pyramid=PyramidConfig(dim=8, heads=2, stem_layers=1, levels=3, residual_scale=0.5),
        head=HeadConfig(dim=8, layers=2),
        optimizer=OptimizerRecipe(lr=1e-2, warmup_epochs=1),
    )
    for name in tasks:
        method.classify.set_prompts(name, torch.randn(CLASSES, 5))
    return method


def test_tasks_are_judged_one_by_one_and_their_mean_chooses(data):
    method, trainer = make_method(), quiet_trainer(num_sanity_val_steps=0)
    trainer.fit(method, data)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    names = {"map", "recall@1", "recall@5", *(f"map@0.{tenth}0" for tenth in range(1, 10))}
    assert set(method.results) == {f"val/{task}/{name}" for task in TASKS for name in names} | {"val/map"}
    assert method.results["val/map"] == (method.results["val/unav100/map"] + method.results["val/desed/map"]) / 2
    assert {name: logged[name] for name in method.results} == pytest.approx(method.results)
    parts = {"loss", "classification_loss", "regression_loss"}
    trained = {f"train/{task}/{name}" for task in TASKS for name in parts}
    assert set(logged) - set(method.results) == trained | {"lr"}

    trainer.test(method, data, verbose=False)
    assert set(method.results) == {f"test/{task}/{name}" for task in TASKS for name in names} | {"test/map"}
    assert {task: ap.shape for task, ap in method.ap.items()} == dict.fromkeys(TASKS, (CLASSES, 9))
    assert method.scores["desed"]["map"] == method.results["test/desed/map"]
    for task, part in data.by_task().items():
        table = method.tables[task]
        assert table.videos == sorted(part.targets("test"))
        assert len(table) <= TASKS[task].decoder.max_events * len(table.videos)
        assert {event.label for event in table} <= set(part.class_names)


@pytest.mark.filterwarnings("ignore:predict returned None")
def test_predictions_of_several_tasks_are_never_joined(data):
    method = make_method()
    assert method.predictions == EventTable()
    quiet_trainer().predict(method, data, return_predictions=False)
    assert list(method.tables) == list(TASKS)
    assert (method.results, method.scores, method.ap) == ({}, {}, {})
    with pytest.raises(ValueError, match="of the tasks unav100, desed: take `tables`"):
        _ = method.predictions


def test_a_task_has_the_scores_that_it_has_alone(data, folder):
    method, trainer = make_method(), quiet_trainer()
    trainer.test(method, data, verbose=False)
    jointly, table = method.scores["desed"], method.tables["desed"]
    trainer.test(method, MultitaskDataModule({"desed": make_sets(folder)["desed"]}), verbose=False)
    assert method.scores == {"desed": jointly}
    assert method.results["test/map"] == jointly["map"]
    assert method.predictions == table
    alone = make_method({"desed": TASKS["desed"]})
    trainer.test(alone, make_sets(folder)["desed"], verbose=False)
    assert {"test/map", "test/map@0.10"} < set(alone.results), "data without a name belong to a method's only task"
    assert list(alone.tables) == [""]


def test_the_mean_leaves_out_a_task_that_cannot_be_judged(data, monkeypatch):
    none = {"segments": torch.zeros(0, 2), "labels": torch.zeros(0).long()}
    silent = {video: {"video_id": video} | none for video in data.sets["desed"].targets("test")}
    monkeypatch.setattr(data.sets["desed"], "targets", lambda split: silent)
    method = make_method()
    with pytest.warns(UserWarning, match="no video of desed's test split has an event"):
        quiet_trainer().test(method, data, verbose=False)
    assert method.results["test/desed/map"] != method.results["test/desed/map"]
    assert method.results["test/map"] == method.results["test/unav100/map"]


def test_the_loss_of_a_task_is_weighted(data):
    data.trainer = None
    batch = next(iter(data.sets["desed"].train_dataloader()))
    losses = []
    for weight in (1.0, 0.25):
        method = make_method(TASKS | {"desed": replace(TASKS["desed"], weight=weight)}).eval()
        method.log = lambda *_, **__: None
        trainer = quiet_trainer()
        trainer.strategy.optimizers = [torch.optim.SGD(method.parameters(), lr=0.1)]
        method.trainer = trainer
        losses.append(method.training_step(batch, 0))
    assert_close(losses[1], 0.25 * losses[0])


@pytest.mark.parametrize(
    ("names", "message"),
    [(["unav100", "ours"], "'ours', but method.tasks has unav100, desed"), ([""], "'', but method.tasks has")],
)
def test_data_of_tasks_that_the_method_does_not_have_are_refused(names, message):
    make_method().check_tasks(TASKS)
    make_method().check_tasks(["desed"])
    with pytest.raises(UserError, match=message):
        make_method().check_tasks(names)


def test_a_method_of_one_task_takes_data_of_that_name_or_of_none():
    method = make_method({"desed": TASKS["desed"]})
    for name in ("", "desed"):
        method.check_tasks([name])
        assert method.task_of(empty_batch(name)) == "desed"
    with pytest.raises(UserError, match="'unav100', but method.tasks has desed"):
        method.check_tasks(["unav100"])
