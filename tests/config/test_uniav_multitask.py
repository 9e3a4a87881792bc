"""The yamls of joint training are the recipe of the released code for its three tasks; a task is one yaml."""

import json

import pytest
import torch
from hydra.errors import MissingConfigException
from hydra.utils import instantiate
from run import MISTAKES

from avel_run.building import build_method
from tests.config.conftest import CONF
from tests.synthetic import write_tiny, write_tiny_dense

CASES = CONF.parent / "tests/reference/cases"
RELEASED = json.loads((CASES / "uniav-training.json").read_text())
FULL = json.loads((CASES / "uniav-full-keys.json").read_text())
DESED_LIST = CONF.parent.parent / "shared/data/desed/validation_validation.tsv"
LETTERS = {"activitynet13": "TAL", "unav100": "AVEL", "desed": "SED"}
CLASSES = {"activitynet13": 200, "unav100": 100, "desed": 10}
LENGTHS = {"activitynet13": 256, "unav100": 256, "desed": 64}


def facts(*tasks):
    """What run.py reads from the files of the sets."""
    widths = ("data.visual_dim=1536", "data.audio_dim=1536")
    of_sets = (
        (
            f"data.sets.{name}.num_classes={CLASSES[name]}",
            f"data.sets.{name}.max_length={LENGTHS[name]}",
            f"method.tasks.{name}.prompts=null",
            f"method.tasks.{name}.prompt_classes=null",
        )
        for name in tasks
    )
    return (*widths, *(override for overrides in of_sets for override in overrides))


@pytest.fixture
def recipe(compose):
    """The composed configuration and the method, of the published size and protocol."""
    config = compose("experiment=uniav_multitask", "protocol=published", *facts(*LETTERS))
    with torch.device("meta"):
        return config, build_method(config)


def test_the_published_size_is_that_of_the_released_weights(recipe):
    _, method = recipe
    assert sum(p.numel() for p in method.parameters()) == FULL["total_parameters"] == 130_750_693
    assert len([*method.parameters()]) == len(FULL["state_dict"]) == 697


def test_the_tasks_come_in_the_order_of_the_released_rounds(recipe):
    config, method = recipe
    assert list(method.tasks) == list(config.data.sets) == list(LETTERS)


@pytest.mark.parametrize("name", LETTERS)
def test_objective_and_suppression_of_every_task(recipe, name):
    config, method = recipe
    letters, task, data = LETTERS[name], method.tasks[name], config.data.sets[name]
    loss, nms = RELEASED["loss"], RELEASED["nms"]
    assert task.loss.initial_normalizer == loss["init_loss_norm"][letters]
    assert task.loss.label_smoothing == loss["label_smoothing"][letters]
    assert task.loss.regression_weight == task.weight == 1
    assert task.decoder.sigma == nms["soft_sigma"][letters]
    assert (task.decoder.pre_nms_topk, task.decoder.max_events) == (nms["pre_nms_topk"], nms["max_seg_num"])
    assert task.class_aware == (letters != "TAL")
    assert (data.loader.batch_size, data.loader.order) == (RELEASED["batch_size"]["per_task"], "shuffled_once")
    assert data.crop.margin == "half_window"


def test_stop_and_go(recipe):
    controller, released = recipe[0].callbacks.stop_and_go, RELEASED["stop_controller"]
    assert (controller.patience, controller.cooldown) == (released["patience"], released["cooldown"])
    assert f"relative {controller.gain}" in released["threshold"]
    assert f"relative {controller.drop}" in released["continue_threshold"]
    assert f"% {controller.every} == 0" in RELEASED["loop"][-1]
    assert controller.resume == "drop"


def test_the_protocol_reaches_all_sets(compose, recipe):
    published, clean = recipe[0], compose("experiment=uniav_multitask")
    assert [part.selection_split for part in published.data.sets.values()] == ["test"] * 3
    assert [part.selection_split for part in clean.data.sets.values()] == ["validation"] * 3
    assert (published.protocol.monitor, clean.protocol.monitor) == ("epoch", None)
    assert (published.callbacks.stop_and_go.warmup, clean.callbacks.stop_and_go.warmup) == (0, 2)
    assert clean.callbacks.stop_and_go.resume == "change"
    assert [part.loader.order for part in clean.data.sets.values()] == ["shuffled"] * 3
    assert recipe[1].positions == "whole_table_in_eval"


def test_every_task_trains_its_weights_and_is_validated(compose, tmp_path):
    torch.manual_seed(0)
    write_tiny(tmp_path)
    for dataset in ("activitynet13", "desed"):
        write_tiny_dense(tmp_path, dataset)
    overrides = [f"data.sets.{name}.{fact}" for name in LETTERS for fact in ("num_classes=3", "loader.batch_size=4")]
    config = compose(
        *("experiment=uniav_multitask", "size=narrow", "method.pyramid.dim=16", "method.head.dim=16"),
        *("data.visual_dim=6", "data.audio_dim=4", f"paths.data_dir={tmp_path}", *overrides),
        *(f"data.sets.{name}.max_length=128" for name in LETTERS),
    )
    data = instantiate(config.data, _convert_="all")
    method = build_method(config)
    before = {name: weights.clone() for name, weights in method.named_parameters()}

    stop_and_go = instantiate(config.callbacks.stop_and_go)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = instantiate(config.trainer, max_epochs=1, callbacks=[stop_and_go], **quiet)
    trainer.fit(method, data)

    scores = [trainer.callback_metrics[f"val/{name}/map"] for name in LETTERS]
    assert trainer.callback_metrics["val/map"] == pytest.approx(sum(scores) / 3)
    # a level that no event belongs to regresses nothing
    still = [name for name, weights in method.named_parameters() if torch.equal(weights, before[name])]
    assert [name for name in still if not name.startswith("regress.scales.")] == []


def test_tasks_can_be_left_out(compose):
    config = compose("experiment=uniav_multitask", "tasks=[desed,unav100]", *facts("desed", "unav100"))
    with torch.device("meta"):
        method = build_method(config)
    assert list(method.tasks) == list(config.data.sets) == ["desed", "unav100"]


@pytest.mark.parametrize("task", sorted(path.stem for path in (CONF / "tasks").glob("*.yaml")))
def test_every_task_can_be_alone(compose, task):
    config = compose("experiment=uniav_multitask", f"tasks=[{task}]", "size=narrow")
    assert list(config.data.sets) == list(config.method.tasks) == [task]


def test_an_unknown_task_is_answered_with_the_known_ones(compose):
    with pytest.raises(MissingConfigException) as caught:
        compose("experiment=uniav_multitask", "tasks=[unav]")
    message = MISTAKES.explain(caught.value)
    assert message.startswith("tasks=unav: unknown. Did you mean unav100?")
    assert all(name in message for name in LETTERS)


def test_the_order_of_desed_s_published_prompts_names_each_class_once(compose):
    rows = compose("experiment=uniav_multitask").method.tasks.desed.prompt_classes
    assert len(set(rows)) == 10


@pytest.mark.skipif(not DESED_LIST.exists(), reason=f"{DESED_LIST.name} is not there")
def test_desed_s_published_prompts_come_in_the_order_of_first_appearance(compose):
    rows = compose("experiment=uniav_multitask").method.tasks.desed.prompt_classes
    labels = [line.rstrip("\n").split("\t")[-1] for line in DESED_LIST.read_text().splitlines()[1:]]
    assert list(rows) == list(dict.fromkeys(label for label in labels if label))


def test_a_new_task_is_one_yaml(compose, tmp_path):
    page = (CONF.parent / "CONTRIBUTING.md").read_text()
    text = page.partition("## Add a task")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "ours.yaml").write_text(text)
    config = compose(
        "experiment=uniav_multitask",
        "tasks=[unav100,ours]",
        f"hydra.searchpath=[file://{tmp_path}]",
        *facts("unav100"),
        *("data.sets.ours.num_classes=7", "data.sets.ours.max_length=128", "method.tasks.ours.prompts=null"),
    )
    with torch.device("meta"):
        method = build_method(config)
    assert (method.tasks["ours"].num_classes, method.tasks["ours"].max_length) == (7, 128)
    assert config.data.sets.ours.root.endswith("/ours")
