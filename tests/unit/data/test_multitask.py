from multiprocessing import active_children
from types import SimpleNamespace

import pytest
from lightning import Callback, LightningModule, Trainer

from avel.batch import Batch, ClipBatch
from avel.data.ave import AVE
from avel.data.module import LoaderOptions
from avel.data.multitask import MultitaskDataModule
from avel.data.thumos14 import Thumos14
from avel.data.unav100 import UnAV100
from avel.errors import UserError
from tests.unit.data import fitting
from tests.unit.data.ave_files import AUDIO_DIM, VISUAL_DIM, write_ave
from tests.unit.data.files import write_tiny, write_visual_only

LOADER = LoaderOptions(batch_size=2, eval_batch_size=2)
SLOTS = 8  # of an epoch: 4 batches of the larger set, 2 tasks


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return {"unav100": write_tiny(folder / "unav100"), "ours": write_tiny(folder / "ours", videos=8)}


@pytest.fixture
def sets(roots):
    return unav100s(roots)


def unav100s(roots, loader=LOADER, **options):
    """Two sets of one layout, of 9 and 5 training videos; ids of videos coincide."""
    return {task: UnAV100(root=root, loader=loader, **options) for task, root in roots.items()}


def names(loaders):
    return [[(batch.task, len(batch)) for batch in loader] for loader in loaders]


def test_tasks_are_trained_by_turns_and_judged_one_by_one(sets):
    data = MultitaskDataModule(sets)
    assert data.by_task() == sets
    train = data.train_dataloader()
    assert len(train) == SLOTS
    assert [(batch.task, len(batch)) for batch in train] == [("unav100", 2), ("ours", 2)] * 4
    videos = {split: [facts.facts().videos[split] for facts in sets.values()] for split in ("validation", "test")}
    for split, loaders in (("validation", data.val_dataloader()), ("test", data.test_dataloader())):
        assert [{task for task, _ in batches} for batches in names(loaders)] == [{"unav100"}, {"ours"}]
        assert [sum(size for _, size in batches) for batches in names(loaders)] == videos[split]


def test_an_epoch_has_as_many_rounds_as_asked_for(sets):
    assert len(MultitaskDataModule(sets, rounds=3).train_dataloader()) == 6


def test_a_task_that_is_alone_has_a_simple_loader_for_evaluation(sets):
    data = MultitaskDataModule({"ours": sets["ours"]})
    for loader in (data.val_dataloader(), data.test_dataloader(), data.predict_dataloader()):
        assert {batch.task for batch in loader} == {"ours"}


def test_data_of_different_kinds_can_be_mixed(tmp_path):
    ave = AVE(root=write_ave(tmp_path / "ave"), drop_leaked=True, loader=LOADER)
    unav100 = UnAV100(root=write_tiny(tmp_path / "unav100", visual_dim=VISUAL_DIM, audio_dim=AUDIO_DIM), loader=LOADER)
    data = MultitaskDataModule({"clips": ave, "videos": unav100})
    assert (data.facts().visual_dim, data.facts().audio_dim) == (VISUAL_DIM, AUDIO_DIM)
    data.rest(["clips"], 2)
    batches = list(data.train_dataloader())
    assert [type(batch) for batch in batches[:4]] == [ClipBatch, Batch, Batch, Batch]
    assert [(batch.task, len(batch)) for batch in batches[:4]] == [
        ("clips", 2),
        ("videos", 2),
        ("clips", 0),
        ("videos", 2),
    ]


def test_facts_of_the_sets_are_added_up(sets):
    facts = MultitaskDataModule(sets, visual_dim=6).facts()
    assert facts.sets == {task: data.facts() for task, data in sets.items()}
    assert (facts.visual_dim, facts.audio_dim) == (6, 4)
    assert facts.videos["train"] == sum(facts.videos["train"] for facts in facts.sets.values())
    assert facts.videos.keys() == {"train", "validation", "test"}


def test_a_split_is_given_on_to_all_sets_before_they_read(tmp_path):
    thumos = Thumos14(root=write_visual_only(tmp_path), loader=LOADER)
    data = MultitaskDataModule({"actions": thumos}, selection_split="test", predict_split="train")
    assert data.facts().videos["train"] == 10  # nothing is held out
    assert (thumos.selection_split, thumos.predict_split) == ("test", "train")
    assert (data.selection_split, data.predict_split) == ("test", "train")


def test_without_a_split_it_is_that_of_the_sets(roots):
    data = MultitaskDataModule(unav100s(roots, selection_split="test", predict_split="validation"))
    assert (data.selection_split, data.predict_split) == ("test", "validation")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "data.rounds=0: give a whole number from 1 on, or null"),
        ({"rounds": 1.5}, "data.rounds=1.5: give a whole number"),
        ({"selection_split": "train"}, "data.selection_split=train: unknown, choose one of validation, test"),
        ({"predict_split": "val"}, "data.predict_split=val: unknown, choose one of train, validation, test"),
    ],
)
def test_impossible_options_are_refused(sets, options, message):
    with pytest.raises(UserError, match=message):
        MultitaskDataModule(sets, **options)


def test_there_must_be_a_set():
    with pytest.raises(UserError, match=r"data.sets is empty: choose tasks, e.g. tasks=\[unav100,desed\]"):
        MultitaskDataModule({})


@pytest.mark.parametrize("name", ["selection_split", "predict_split"])
def test_sets_must_agree_on_splits(roots, name):
    sets = unav100s(roots) | {"ours": UnAV100(root=roots["ours"], **{name: "test"})}
    if name == "predict_split":
        sets["unav100"].predict_split = "validation"
    message = f"data.sets.unav100 has {name}=validation, but data.sets.ours {name}=test: set data.{name}"
    with pytest.raises(UserError, match=message):
        MultitaskDataModule(sets)


def test_features_must_be_equally_wide(sets, tmp_path):
    data = MultitaskDataModule(sets | {"wide": UnAV100(root=write_tiny(tmp_path, audio_dim=5))})
    with pytest.raises(UserError, match=r"data.sets.unav100 has audio_dim=4, but data.sets.wide audio_dim=5: one net"):
        data.facts()


def test_a_stated_width_is_checked(sets):
    message = "data.audio_dim=7, but the features of data.sets are 4 wide: set data.audio_dim=4, or null to take it"
    with pytest.raises(UserError, match=message):
        MultitaskDataModule(sets, audio_dim=7).facts()


def test_messages_of_a_set_name_its_options_as_they_are_called_here(roots):
    sets = unav100s(roots)
    large = UnAV100(root=roots["ours"], loader=LoaderOptions(batch_size=99))
    with pytest.raises(UserError, match=r"^data.sets.ours.loader.batch_size=99 is more than a rank's share of the"):
        MultitaskDataModule(sets | {"ours": large}).train_dataloader()
    data = MultitaskDataModule(sets | {"ours": UnAV100(root=roots["ours"], visual_dim=5)})
    for read in (data.facts, lambda: data.setup("fit")):
        with pytest.raises(UserError, match=r"^data.sets.ours.visual_dim=5, but .*: set data.sets.ours.visual_dim=6"):
            read()


def test_setup_checks_the_files_of_every_set(sets, tmp_path):
    data = MultitaskDataModule(sets | {"missing": UnAV100(root=tmp_path)})
    with pytest.raises(UserError, match=str(tmp_path)):
        data.setup("test")


def test_only_known_tasks_can_rest(sets):
    data = MultitaskDataModule(sets)
    with pytest.raises(ValueError, match="no such task: desed; there are unav100, ours"):
        data.rest(["ours", "desed"], 4)
    with pytest.raises(ValueError, match="every=0: must be at least 1"):
        data.rest(["ours"], 0)


def test_a_task_may_begin_to_rest_before_there_are_loaders_and_behind(sets):
    data = MultitaskDataModule(sets)
    data.rest(["ours"], 2)
    loader = data.train_dataloader()
    assert [len(batch) for batch in loader] == [2, 2, 2, 0] * 2
    data.rest(["unav100"], 4)
    assert [len(batch) for batch in loader] == [2, 2, 0, 2, 0, 2, 0, 2]
    data.rest([], 4)
    assert [len(batch) for batch in loader] == [2] * SLOTS


def test_ranks_share_the_videos_and_take_their_turns_together(roots):
    def rank(rank):
        data = MultitaskDataModule(unav100s(roots, LoaderOptions(batch_size=1, eval_batch_size=1)))
        data.trainer = SimpleNamespace(global_rank=rank, world_size=2, overfit_batches=0.0)
        data.setup("fit")
        data.rest(["ours"], 2)
        return list(data.train_dataloader()), data.val_dataloader()

    (first, judged_first), (second, judged_second) = rank(0), rank(1)
    assert [(batch.task, len(batch)) for batch in first] == [(batch.task, len(batch)) for batch in second]
    assert len(first) == SLOTS
    assert all(a.videos != b.videos for a, b in zip(first, second, strict=True) if len(a))
    assert [len(loader) for loader in judged_first] != [len(loader) for loader in judged_second]


# Trained by Lightning


class OursRests(Callback):
    """Decides, and decides again the same where a run goes on, as a controller does."""

    def __init__(self):
        self.resting = []

    def on_train_batch_end(self, trainer, *_):
        if trainer.fit_loop.total_batch_idx == 2:
            self.resting = ["ours"]
            trainer.datamodule.rest(self.resting, every=3)

    def on_train_start(self, trainer, _):
        trainer.datamodule.rest(self.resting, every=3)

    def state_dict(self):
        return {"resting": self.resting}

    def load_state_dict(self, state):
        self.resting = state["resting"]


def fit(roots, folder, *, workers=0, callbacks=(), **options):
    loader = LoaderOptions(batch_size=2, eval_batch_size=2, num_workers=workers)
    data = MultitaskDataModule(unav100s(roots, loader))
    return fitting.fit(data, folder, callbacks=[OursRests(), *callbacks], **options)


@pytest.mark.parametrize(
    # Lightning makes the loaders before it restores their places if the optimizer asks for the number of steps.
    "options",
    [{}, {"val_check_interval": 3}, {"limit_train_batches": 5, "asks_for_steps": True}],
    ids=str,
)
def test_lightning_resumes_with_the_batches_that_would_have_come(roots, tmp_path, options):
    """Checkpoints after every batch, in the middle and at the ends of epochs, before and behind validation."""
    whole = fit(roots, tmp_path, callbacks=[fitting.SaveEverywhere(tmp_path)], **options)
    slots = options.get("limit_train_batches", SLOTS)
    assert [task for task, *_ in whole] == (["unav100", "ours"] * SLOTS)[:slots] * 3
    assert {task for task, videos, _ in whole if not videos} == {"ours"}
    checkpoints = sorted(tmp_path.glob("*.ckpt"))
    assert len(checkpoints) >= len(whole) + 3 + 3
    for checkpoint in checkpoints:
        rest = fit(roots, tmp_path, resume=checkpoint, **options)
        assert rest == whole[fitting.batches_before(checkpoint) :], checkpoint.name


def test_lightning_resumes_with_workers_and_ends_them(roots, tmp_path):
    others = active_children()
    whole = fit(roots, tmp_path, callbacks=[fitting.SaveEverywhere(tmp_path)], workers=1)
    assert whole == fit(roots, tmp_path)
    assert fit(roots, tmp_path, resume=tmp_path / "step-1-4.ckpt", workers=1) == whole[SLOTS + 5 :]
    assert active_children() == others


def test_lightning_overfits_the_same_batches_of_all_tasks(roots, tmp_path):
    with pytest.warns(UserWarning, match="overfit"):
        seen = fitting.fit(MultitaskDataModule(unav100s(roots)), tmp_path, overfit_batches=2)
    assert seen == seen[:2] * 3
    assert [task for task, *_ in seen[:2]] == ["unav100", "ours"]


def test_lightning_predicts_every_video_of_every_task_once(roots):
    class Names(LightningModule):
        def predict_step(self, batch, batch_idx, dataloader_idx=0):
            return [(batch.task, video) for video in batch.videos]

    data = MultitaskDataModule(unav100s(roots))
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
    seen = [sum(batches, []) for batches in trainer.predict(Names(), data)]
    assert seen == [[(task, video) for video in sets.durations("test")] for task, sets in data.by_task().items()]
