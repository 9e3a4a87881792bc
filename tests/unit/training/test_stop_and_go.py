import json
import logging
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from avel.batch import empty_batch
from avel.data.multitask import MultitaskDataModule
from avel.errors import UserError
from avel.training.stop_and_go import RestRule, StopAndGo, TaskState
from tests.reference.loader import FOLDER
from tests.stored import StoredBatches

RELEASED = json.loads((FOLDER / "uniav-training.json").read_text())["stop_controller"]
DEFAULTS = StopAndGo().rule


def states(rule, scores):
    """Where a task stands after each validation."""
    state, history = TaskState(), []
    for score in scores:
        state = rule.after(state, score)
        history.append(state)
    return history


def rests(rule, scores):
    return [state.rested_from is not None for state in states(rule, scores)]


# The rule


@pytest.mark.parametrize("name", RELEASED["simulated"])
def test_released_rule(name):
    steps = RELEASED["simulated"][name]
    rule = RestRule(RELEASED["patience"], 0.001, 0.005, RELEASED["cooldown"], "drop")
    scores = [step["value"] for step in steps]
    assert rests(rule, scores) == [step["in_stop_after"] for step in steps]
    ours = [(state.idle, state.cooldown, state.best) for state in states(rule, scores)]
    assert ours == [(step["bad_epochs"], step["cooldown"], step["best"]) for step in steps]


@pytest.mark.parametrize(
    ("scores", "change", "drop"),
    [
        pytest.param([0.3, 0.3, 0.3, 0.299, 0.298], [0, 0, 1, 1, 0], [0, 0, 1, 1, 0], id="forgotten"),
        pytest.param([0.3, 0.3, 0.3, 0.31, 0.32], [0, 0, 1, 0, 0], [0, 0, 1, 1, 1], id="more to gain"),
        pytest.param([0.3, 0.29, 0.28, 0.28, 0.29], [0, 0, 1, 1, 1], [0, 0, 1, 0, 0], id="rested while it fell"),
        pytest.param([0.3] * 9, [0, 0, 1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 1, 1], id="stalls"),
        pytest.param([0.0, 0.0, 0.0, 0.1], [0, 0, 0, 0], [0, 0, 1, 1], id="begins late"),
    ],
)
def test_when_a_task_goes_on(scores, change, drop):
    assert rests(DEFAULTS, scores) == [bool(rest) for rest in change]
    assert rests(replace(DEFAULTS, resume="drop"), scores) == [bool(rest) for rest in drop]


def test_what_a_resting_task_loses_bit_by_bit_counts_from_where_it_began_to_rest():
    scores = [0.3, 0.3, 0.3, 0.2995, 0.299, 0.2986, 0.2984]
    assert rests(DEFAULTS, scores) == [False, False, True, True, True, True, False]


def test_what_warm_up_validations_score_is_not_counted():
    scores = [0.0009, 0.0, 0.0, 0.0005, 0.0]
    assert rests(DEFAULTS, scores)[2]
    begun = TaskState(cooldown=2)
    for score in scores[:3]:
        begun = DEFAULTS.after(begun, score)
    assert begun == TaskState(best=0.0009, idle=1)


RULES = st.builds(
    RestRule,
    patience=st.integers(0, 3),
    gain=st.sampled_from([0.0, 0.001, 0.1]),
    drop=st.sampled_from([0.0, 0.005, 0.1]),
    cooldown=st.integers(0, 3),
    resume=st.sampled_from(["change", "drop"]),
)
SCORES = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=30)


@given(RULES, SCORES)
def test_a_task_is_trained_long_enough_before_it_rests(rule, scores):
    trained, first = 0, True
    for rested, after in zip([False, *rests(rule, scores)], rests(rule, scores), strict=False):
        trained = 0 if rested else trained + 1
        if after and not rested:
            # the first validation of all is a gain
            assert trained > rule.patience + (1 if first else rule.cooldown)
            first = False


@given(RULES, SCORES)
def test_the_best_is_a_score_and_never_falls(rule, scores):
    best = [state.best for state in states(rule, scores)]
    assert best == sorted(best)
    assert {*best} <= {*scores, TaskState().best}


@given(RULES, SCORES)
def test_scores_that_are_no_numbers_change_nothing(rule, scores):
    numbers = [score for score in scores if score == score]
    assert [TaskState(), *states(rule, scores)][-1] == [TaskState(), *states(rule, numbers)][-1]


@given(RULES, SCORES, st.floats(0.01, 1))
def test_a_task_whose_score_has_settled_rests_for_good(rule, scores, score):
    """As released it would go on and rest by turns if it has settled below its best."""
    waiting = rule.patience + rule.cooldown + 3
    settled = [*scores, *[score] * (waiting + 5)]
    assert all(rests(replace(rule, resume="change"), settled)[len(scores) + waiting :])


# The callback


def batch(task):
    """What stands for a batch of one video."""
    return replace(empty_batch(task), videos=["v"])


class Scored(LightningModule):
    """Notes the batches of every epoch; its scores are given: task -> score after each epoch."""

    monitor = "map"

    def __init__(self, scores):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.scores = scores
        self.seen = []

    def training_step(self, batch, batch_idx):
        self.seen.append((self.current_epoch, batch.task, len(batch)))
        return self.weight**2

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        pass

    def on_validation_epoch_end(self):
        for task, scores in self.scores.items():
            self.log(f"val/{task}/map", scores[self.current_epoch % len(scores)])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def trained(self, task):
        """Batches of a task in each epoch."""
        epochs = len(self.scores[task])
        return [sum(size for when, name, size in self.seen if (when, name) == (epoch, task)) for epoch in range(epochs)]


SCORES_OF_TWO = {"grows": [0.1, 0.2, 0.3, 0.4, 0.5], "stalls": [0.2, 0.2, 0.2, 0.1, 0.1]}
ROUNDS = 3


def fit(folder, scores=SCORES_OF_TWO, *, controller=None, resume=None, callbacks=(), **options):
    controller = controller or StopAndGo(patience=0, every=2)
    module = Scored(scores)
    trainer = Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        max_epochs=len(next(iter(scores.values()))),
        logger=False,
        callbacks=[*callbacks, controller],
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    data = MultitaskDataModule({task: StoredBatches(batch(task)) for task in scores}, rounds=ROUNDS)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True)
    return module, controller, trainer


def test_a_resting_task_is_trained_in_some_rounds(tmp_path):
    """Rounds 0 to 14, 3 an epoch: it rests in the rounds 6 to 11, of which the even ones train it."""
    module, controller, trainer = fit(tmp_path)
    assert module.trained("grows") == [3, 3, 3, 3, 3]
    assert module.trained("stalls") == [3, 3, 2, 1, 3]
    assert trainer.callback_metrics["train/grows/resting"] == trainer.callback_metrics["train/stalls/resting"] == 0
    assert controller.states["stalls"] == TaskState(best=pytest.approx(0.2), cooldown=0)


@pytest.mark.parametrize(
    ("scores", "resume", "why"),
    [
        ([0.3, 0.2, 0.1], "change", "0.1000 is too much less than 0.2000"),
        ([0.3, 0.2, 0.4], "change", "0.4000 is its best so far"),
        ([0.3, 0.2, 0.2], "drop", "0.2000 is too much less than 0.3000"),
    ],
)
def test_the_console_says_who_rests_and_why(tmp_path, caplog, scores, resume, why):
    controller = StopAndGo(patience=0, cooldown=2, resume=resume)
    with caplog.at_level(logging.INFO, "avel"):
        fit(tmp_path, {"only": scores}, controller=controller)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("avel")] == [
        "only rests, trained in 1 of 4 rounds: a score of 0.2000 is no gain over 0.3000",
        f"only goes on: a score of {why}",
    ]


@pytest.mark.parametrize(
    ("when", "steps"),
    [
        ({"every_n_train_steps": 1}, (11, 13, 16, 23)),
        ({"every_n_epochs": 1, "save_on_train_epoch_end": False}, (12, 24)),  # when it has been validated, as best.ckpt
        ({"every_n_epochs": 1}, (12, 24)),
    ],
)
def test_resuming_goes_on_with_the_same_tasks_at_rest(tmp_path, when, steps):
    saving = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1, enable_version_counter=False, **when)
    whole, controller, _ = fit(tmp_path, callbacks=[saving])
    for step in steps:
        resumed, again, _ = fit(tmp_path, resume=tmp_path / f"step={step}.ckpt")
        assert resumed.seen == whole.seen[step:]
        assert again.states == controller.states


def test_other_tasks_than_those_of_the_checkpoint_begin_anew(tmp_path):
    controller = StopAndGo()
    controller.load_state_dict({"gone": {"rested_from": 0.5}, "stays": {"rested_from": 0.4, "best": 0.4}})
    module, controller, _ = fit(tmp_path, {"stays": [0.4], "comes": [0.1]}, controller=controller)
    assert (module.trained("stays"), module.trained("comes")) == ([1], [3])
    assert controller.states.keys() == {"stays", "comes"}


def test_only_validations_of_a_training_count(tmp_path):
    module, controller, trainer = fit(tmp_path, num_sanity_val_steps=1)
    before = dict(controller.states)
    trainer.validate(module, trainer.datamodule, verbose=False)
    assert controller.states == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": -1}, "callbacks.stop_and_go.patience=-1: give a whole number from 0 on"),
        ({"cooldown": 1.5}, "callbacks.stop_and_go.cooldown=1.5: give a whole number from 0 on"),
        ({"gain": "much"}, "callbacks.stop_and_go.gain=much: give a number from 0 on, below 1"),
        ({"drop": 1}, "callbacks.stop_and_go.drop=1: give a number from 0 on, below 1"),
        ({"every": 0}, "callbacks.stop_and_go.every=0: give a whole number from 1 on"),
        ({"resume": "never"}, "callbacks.stop_and_go.resume=never: unknown, choose one of change, drop"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        StopAndGo(**options)


def test_gradients_of_several_batches_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"accumulate_grad_batches=2: .*Set it to 1, or callbacks.stop_and_go to null"):
        fit(tmp_path, accumulate_grad_batches=2)


def test_data_without_tasks_are_refused():
    quiet = {"logger": False, "enable_checkpointing": False, "max_epochs": 1}
    trainer = Trainer(accelerator="cpu", callbacks=[StopAndGo()], **quiet)
    with pytest.raises(UserError, match=r"callbacks.stop_and_go: the data have no tasks.*Set it to null"):
        trainer.fit(Scored({}), StoredBatches(batch("")))
