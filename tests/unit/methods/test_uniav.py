import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch.testing import assert_close
from torch.utils.data import DataLoader

from avel.batch import Sample, TimeGrid, collate
from avel.decoding.dense import DenseDecoder
from avel.errors import UserError
from avel.layers.heads import HeadConfig
from avel.layers.pyramid import PyramidConfig
from avel.losses.dense import DenseLossConfig
from avel.methods.uniav import UniAV
from avel.tasks.dense_task import DenseTask
from avel.tasks.loading import load_method
from avel.training.optim import OptimizerRecipe

GRID = TimeGrid(fps=16, stride=4, window=16)
ACTIONS = DenseTask(4, 32, class_aware=False, loss=DenseLossConfig(initial_normalizer=10))
SOUNDS = DenseTask(3, 16, decoder=DenseDecoder(max_events=7))
TASKS = {"actions": ACTIONS, "sounds": SOUNDS}


def narrow(tasks=TASKS, **changes):
    torch.manual_seed(0)
    arguments = {
        "visual_dim": 5,
        "audio_dim": 4,
        "prompt_dim": 6,
        "tasks": tasks,
        "pyramid": PyramidConfig(dim=4, heads=2, stem_layers=1, levels=3, residual_scale=0.5),
        "head": HeadConfig(dim=6, layers=2),
    }
    method = UniAV(**arguments | changes)
    for name, task in tasks.items():
        if task.prompts is None:
            method.classify.set_prompts(name, torch.randn(task.num_classes, 6))
    return method


def batch(task, *lengths):
    torch.manual_seed(1)
    segments, labels = torch.tensor([[1.0, 4.5], [2.0, 12.0]]), torch.tensor([2, 0])
    videos = [Sample(str(n), torch.randn(n, 5), torch.randn(n, 4), segments, labels, 1e4, GRID) for n in lengths]
    return replace(collate(videos), task=task)


def test_a_batch_teaches_what_is_shared_and_its_own_experts():
    method = narrow()
    normalizers = {name: criterion.normalizer.item() for name, criterion in method.criterion.items()}
    method.losses(batch("sounds", 16, 9)).total.backward()
    untaught = {name for name, p in method.named_parameters() if p.grad is None}
    assert untaught == {name for name, _ in method.named_parameters() if ".actions." in name}
    assert method.criterion["actions"].normalizer == normalizers["actions"] == 10
    assert method.criterion["sounds"].normalizer != normalizers["sounds"]


def test_every_task_has_its_classes_lengths_and_decoder():
    method = narrow().eval()
    with torch.no_grad():
        prediction = method(method.padded(batch("actions", 20)))
        assert (prediction.logits.shape[2], prediction.offsets.dim()) == (4, 3)
        prediction = method(method.padded(batch("sounds", 15)))
    assert prediction.logits.shape == (1, 16 + 8 + 4, 3)
    assert prediction.offsets.shape == (1, 28, 3, 2)
    assert [len(found.scores) for found in method.localize(batch("sounds", 40, 5))] == [7, 7]
    assert method.max_length == 32


def test_long_videos_are_seen_in_windows_of_their_task(monkeypatch):
    method, seen = narrow().eval(), []
    forward = method.forward
    monkeypatch.setattr(method, "forward", lambda batch: seen.append((batch.task, *batch.mask.shape)) or forward(batch))
    method.localize(batch("sounds", 40, 5))
    assert set(seen) == {("sounds", 2, 16), ("sounds", 1, 16)}


def test_a_batch_must_name_one_of_several_tasks():
    with pytest.raises(UserError, match="belong to the task '', but method.tasks has actions, sounds"):
        narrow().losses(batch("", 16))
    alone = narrow({"sounds": SOUNDS})
    assert alone.losses(batch("", 16)).total.isfinite()
    assert {name.split(".")[2] for name in alone.state_dict() if name.startswith("regress.out")} == {"sounds"}


def test_positions_are_the_same_in_training_and_testing_unless_released():
    clean, released = narrow().eval(), narrow(positions="whole_table_in_eval").eval()
    assert (clean.padded_length(3, "sounds"), released.padded_length(3, "sounds")) == (8, 16)
    sounds, actions = batch("sounds", 16), batch("actions", 32)
    with torch.no_grad():
        assert_close(clean(actions).logits, released(actions).logits)
        assert not torch.allclose(clean(sounds).logits, released(sounds).logits, atol=1e-3)
    clean.train()
    released.train()
    assert clean.padded_length(3, "sounds") == released.padded_length(3, "sounds") == 8
    with pytest.raises(UserError, match="method.positions=foo: unknown, choose one of prefix, whole_table_in_eval"):
        narrow(positions="foo")


def test_classes_of_prompts_that_are_exchanged():
    method, sounds = narrow().eval(), batch("sounds", 16)
    prompts = method.classify.prompts("sounds")
    with torch.no_grad():
        before = method(sounds)
        method.set_prompts("sounds", 2 * prompts[[1, 1, 0, 2]] + 1e-3)
        after = method(sounds)
    assert_close(after.offsets, before.offsets[:, :, [1, 1, 0, 2]])
    assert after.logits.shape[2] == method.tasks["sounds"].num_classes == 4
    assert method.losses(sounds).total.isfinite()
    with pytest.raises(UserError, match=r"prompts of sounds: shape \(3, 5\), wanted \(classes, 6\)"):
        method.set_prompts("sounds", torch.zeros(3, 5))
    with pytest.raises(UserError, match="there is no task 'birds', the method has actions, sounds"):
        method.set_prompts("birds", prompts)


def test_a_checkpoint_needs_no_prompt_file_and_knows_exchanged_classes(tmp_path):
    file = tmp_path / "prompts.npy"
    np.save(file, np.random.default_rng(0).normal(size=(4, 6)).astype(np.float64))
    recipe = OptimizerRecipe(lr_of={"classify.text": 0.1})
    actions = replace(ACTIONS, class_names=["run", "sit", "eat", "nap"])
    method = narrow(TASKS | {"actions": replace(actions, prompts=str(file))}, optimizer=recipe).eval()
    method.set_prompts("sounds", torch.randn(5, 6))
    file.unlink()
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "method.ckpt")
    again = load_method(tmp_path / "method.ckpt")
    assert again.tasks == {"actions": actions, "sounds": replace(SOUNDS, num_classes=5)}
    assert again.recipe == recipe
    for task in TASKS:
        with torch.no_grad():
            assert_close(again(batch(task, 16)).logits, method(batch(task, 16)).logits, rtol=0, atol=0)


def saved(method):
    """What a checkpoint holds of a method."""
    checkpoint = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    return copy.deepcopy(checkpoint)


def loaded(method, checkpoint):
    """Load as a trainer does."""
    method.on_load_checkpoint(checkpoint)
    method.load_state_dict(checkpoint["state_dict"])
    return method.eval()


def named(*names, **changes):
    return {name: replace(task, **changes) for name, task in TASKS.items()} | {
        "sounds": replace(SOUNDS, num_classes=len(names), class_names=names, **changes)
    }


@pytest.mark.parametrize("tasks", [("sounds",), ("sounds", "actions")])
def test_a_checkpoint_can_be_asked_for_other_classes(tasks):
    def of(*names):
        return {name: task for name, task in named(*names).items() if name in tasks}

    trained = narrow(of("owl", "bus", "cat")).eval()
    again = loaded(narrow(of("cat", "owl")), saved(trained))
    sounds = batch("sounds", 16)
    with torch.no_grad():
        before, after = trained(sounds), again(sounds)
    assert_close(after.logits, before.logits[..., [2, 0]])
    assert_close(after.offsets, before.offsets[:, :, [2, 0]])

    wanted = narrow(of("cat", "tram"))
    wanted.classify.set_prompts("sounds", torch.stack([torch.ones(6), trained.classify.prompts("sounds")[1]]))
    again = loaded(wanted, saved(trained))
    with torch.no_grad():
        after = again(sounds)
    assert_close(after.logits, before.logits[..., [2, 1]])
    assert_close(after.offsets, before.offsets[:, :, [2, 1]])


@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_of_several_tasks_can_be_asked_for_one(task):
    tasks = named("owl", "bus", "cat") | {"actions": replace(ACTIONS, class_names=["run", "sit", "eat", "nap"])}
    trained = narrow(tasks).eval()
    alone = loaded(narrow({task: tasks[task]}), saved(trained))
    with torch.no_grad():
        assert_close(alone(batch(task, 16)).logits, trained(batch(task, 16)).logits)
    stranger = saved(trained)
    narrow({"other": SOUNDS}).on_load_checkpoint(stranger)
    assert stranger["state_dict"].keys() == trained.state_dict().keys()


def test_a_checkpoint_brings_prompts_of_its_own_width(tmp_path):
    trained = narrow(named("owl", "bus", "cat"))
    elsewhere = replace(trained.tasks["sounds"], prompts=str(tmp_path / "none.npy"))
    again = UniAV(**trained.hparams | {"prompt_dim": None, "tasks": trained.tasks | {"sounds": elsewhere}})
    assert again.classify.prompts("sounds").shape == (3, 1536)
    again = loaded(again, saved(trained))
    again.check_complete()
    assert torch.equal(again.classify.prompts("sounds"), trained.classify.prompts("sounds"))
    assert saved(again)["hyper_parameters"]["prompt_dim"] == 6


@pytest.mark.filterwarnings("ignore:.*(num_workers|val_dataloader|log_every_n_steps|max_epochs)")
def test_training_resumes_with_the_same_classes_only(tmp_path):
    def trainer():
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        return Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **quiet)

    first, path = trainer(), tmp_path / "last.ckpt"
    loader = DataLoader([batch("sounds", 16)], batch_size=None)
    first.fit(narrow(named("owl", "bus", "cat")), loader)
    first.save_checkpoint(path)
    trainer().fit(narrow(named("owl", "bus", "cat")), loader, ckpt_path=path, weights_only=True)
    with pytest.raises(UserError, match="are owl, bus, cat; here they are owl, cat, bus"):
        trainer().fit(narrow(named("owl", "cat", "bus")), loader, ckpt_path=path, weights_only=True)


def test_names_choose_among_present_classes():
    method = narrow(named("owl", "bus", "cat")).eval()
    with torch.no_grad():
        before = method(batch("sounds", 16)).offsets
        method.set_prompts("sounds", torch.randn(2, 6), ["cat", "owl"])
        after = method(batch("sounds", 16)).offsets
    assert_close(after, before[:, :, [2, 0]])
    assert method.tasks["sounds"].class_names == ("cat", "owl")
    with pytest.raises(UserError, match="class_names has 1 names, num_classes is 2"):
        method.set_prompts("sounds", torch.randn(2, 6), ["cat"])


def test_prompts_are_checked_against_the_task(tmp_path):
    def with_file(name, **changes):
        return narrow({"sounds": replace(SOUNDS, prompts=str(tmp_path / name), **changes)})

    np.save(tmp_path / "wide.npy", np.zeros((3, 7)))
    with pytest.raises(UserError, match=r"wide.npy: prompts of shape \(3, 7\), wanted \(3, 6\), one row per class"):
        with_file("wide.npy")
    rows = np.arange(24, dtype=np.float32).reshape(4, 6)
    np.save(tmp_path / "named.npy", rows)
    method = with_file("named.npy", class_names=["owl", "bus", "cat"], prompt_classes=["cat", "dog", "bus", "owl"])
    assert method.classify.prompts("sounds").tolist() == rows[[3, 2, 0]].tolist()


def test_prompts_may_be_missing_until_there_is_no_checkpoint_to_bring_them(tmp_path):
    method = narrow({"sounds": replace(SOUNDS, prompts=str(tmp_path / "none.npy"))})
    with pytest.raises(UserError, match=r"none\.npy: there is no such file of prompts"):
        method.check_complete()
    method.classify.set_prompts("sounds", torch.ones(3, 6))
    method.check_complete()
    method = narrow()
    method.check_complete()
    method.classify.set_prompts("sounds", torch.zeros(3, 6))
    with pytest.raises(UserError, match=r"method\.tasks\.sounds\.prompts is missing"):
        method.on_fit_start()


def test_the_files_decide_on_the_width_of_prompts(tmp_path):
    np.save(tmp_path / "prompts.npy", np.ones((3, 9), dtype=np.float32))
    task = replace(SOUNDS, prompts=str(tmp_path / "prompts.npy"))
    method = narrow({"sounds": task}, prompt_dim=None)
    assert method.classify.prompts("sounds").shape == (3, 9)
    assert method.hparams["prompt_dim"] == 9
    with pytest.raises(UserError, match=r"prompts of shape \(3, 9\), wanted \(4, 9\)"):
        narrow({"sounds": replace(task, num_classes=4)}, prompt_dim=None)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "method.tasks is empty"),
        ({"a.b": SOUNDS}, "task 'a.b': take a name of letters, digits and underscores"),
        ({"items": SOUNDS}, "task 'items': take another name, this one is reserved"),
        ({"a": replace(SOUNDS, max_length=18)}, "max_length=18: 3 pyramid levels need a multiple of 4"),
        ({"a": replace(SOUNDS, decoder=DenseDecoder(class_scores="x"))}, "decoder.class_scores: UniAV classifies by"),
    ],
)
def test_tasks_that_cannot_be_are_refused(tasks, message):
    with pytest.raises(UserError, match=message):
        narrow(tasks)
