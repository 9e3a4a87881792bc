"""Every yaml composes and instantiates; every experiment trains; the published numbers are those of the papers."""

import json
import sys
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from lightning.pytorch.strategies import DDPStrategy
from omegaconf import OmegaConf
from run import MISTAKES

from avel.checkpoints import ave
from avel.checkpoints.official import convert
from avel.errors import UserError
from avel.keras import dense_layout
from avel.layers.transformer import AttentionBlock
from avel.training.checkpointing import WholeFileIO
from avel_run.building import build_method
from tests.config.conftest import CONF
from tests.synthetic import TINY
from tests.unit.training.scored import Scored
from tests.unit.training.toy import ResumableLoader

RELEASED = CONF.parent / "tests" / "reference" / "cases"
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml"))
DENSE = ("ccnet", "unav")
QUIET = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
FACTS = ("data.num_classes=3", "data.visual_dim=6", "data.audio_dim=4")


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def facts(experiment):
    """Overrides that say what run.py reads from a data set's files: dense, clips with vectors or clips with maps."""
    if experiment == "uniav_multitask":
        sets = [f"data.sets.{name}.{fact}" for name in options("tasks") for fact in ("num_classes=3", "max_length=64")]
        return ("data.visual_dim=6", "data.audio_dim=4", *sets)
    if not experiment.endswith(("_ave", "_ave_weak")):
        return (*FACTS, "data.max_length=64")
    return (*FACTS, f"data.positions={1 if experiment == 'avdln_ave' else 49}")


def files(dataset, folder):
    """Overrides that say where the files are."""
    own = (f"data.annotations={folder}/annotations.csv", f"data.feature_dir={folder}/features")
    return own if dataset == "custom" else (f"paths.data_dir={folder}",)


def no_prompts(experiment):
    """Overrides for a method that reads a file of its own."""
    tasks = {"uniav_unav100": ["unav100"], "uniav_multitask": options("tasks")}.get(experiment, [])
    return tuple(f"method.tasks.{task}.{key}=null" for task in tasks for key in ("prompts", "prompt_classes"))


def experiment_of(method):
    """An experiment with this method."""
    line = f"override /method: {method}\n"
    return next(name for name in EXPERIMENTS if line in (CONF / "experiment" / f"{name}.yaml").read_text())


@pytest.mark.parametrize("protocol", options("protocol"))
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_builds_in_every_size_and_protocol(compose, experiment, protocol):
    facts_and_files = (*facts(experiment), *no_prompts(experiment))
    parameters = {}
    for size in options("size"):
        config = compose(f"experiment={experiment}", f"size={size}", f"protocol={protocol}", *facts_and_files)

        assert config.description
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
        with torch.device("meta"):
            method = build_method(config)
        sets = plain["data"].get("sets", {"": plain["data"]})
        assert {data["num_classes"] for data in sets.values()} == {3}
        assert method.num_classes == 3 * len(sets)
        parameters[size] = sum(p.numel() for p in method.parameters())
    assert parameters["narrow"] < parameters["published"] / 3


def test_how_a_method_is_run_is_said_by_truth_values(compose):
    experiment = ("experiment=unav_unav100", *facts("unav_unav100"), *TINY)
    with torch.device("meta"):
        for wanted in (False, True):
            method = build_method(compose(*experiment, f"method.checkpoint_activations={wanted}"))
            assert {block.recompute for block in method.modules() if isinstance(block, AttentionBlock)} == {wanted}
        with pytest.raises(UserError, match="method.compile=nope: must be true or false"):
            build_method(compose(*experiment, "method.compile=nope"))


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name != "uniav_multitask"])  # has its own
def test_every_experiment_trains_all_its_weights_and_validates(compose, data_dirs, experiment):
    torch.manual_seed(0)
    dataset = experiment.removesuffix("_weak").rpartition("_")[2]
    folder = data_dirs[compose(f"experiment={experiment}").data.features if dataset == "unav100" else dataset]
    # LayerNorm over the two steps that 64 snippets leave on the coarsest level has no gradient
    sizes = ("size=narrow",) if dataset == "ave" else (*TINY, "data.max_length=128", "data.audio_dim=null")
    config = compose(
        f"experiment={experiment}",
        *facts(experiment),
        *sizes,
        "data.loader.batch_size=2",
        *files(dataset, folder),
    )
    data = instantiate(config.data, _convert_="all")
    config.data.audio_dim = data.facts().audio_dim
    method = build_method(config)
    before = {name: weights.clone() for name, weights in method.named_parameters()}

    trainer = instantiate(config.trainer, max_epochs=1, limit_val_batches=1, **QUIET)
    trainer.fit(method, data)

    assert trainer.callback_metrics["train/loss"].isfinite()
    assert 0 <= trainer.callback_metrics[f"val/{method.monitor}"] <= 1
    unchanged = [name for name, weights in method.named_parameters() if torch.equal(weights, before[name])]
    # a level that no event belongs to regresses nothing; DESED's clips always leave two steps on the coarsest one
    excused = ("regress.scales.", *(["collaboration.levels.5.channels.norm"] if dataset == "desed" else []))
    assert [name for name in unchanged if not name.startswith(excused)] == []


@pytest.mark.parametrize("method", DENSE)
def test_narrow_methods_learn_own_videos_longer_and_wider_than_synthetic_ones(compose, method):
    own, synthetic = (
        compose(f"experiment={method}_{data}", "size=narrow", *FACTS, "data.max_length=64")
        for data in ("custom", "unav100")
    )
    assert own.trainer.max_epochs > synthetic.trainer.max_epochs
    assert own.method.pyramid.dim > synthetic.method.pyramid.dim
    assert own.method.pyramid.residual_scale == synthetic.method.pyramid.residual_scale == 0.1
    chosen = compose(f"experiment={method}_custom", "size=narrow", "trainer.max_epochs=3", "method.pyramid.dim=16")
    assert (chosen.trainer.max_epochs, chosen.method.pyramid.dim) == (3, 16)


@pytest.mark.parametrize("trainer", options("trainer"))
def test_every_trainer_runs(compose, trainer, tmp_path, processes):
    config = compose("experiment=ccnet_unav100", f"trainer={trainer}", f"paths.log_dir={tmp_path}")
    # this machine may have no GPU
    config.trainer.accelerator, config.trainer.devices = "cpu", 1
    built = instantiate(config.trainer, **QUIET | {"max_epochs": 1, "limit_train_batches": 1})
    built.fit(Scored([0.5]), ResumableLoader(), ResumableLoader())
    assert built.callback_metrics["val/map"] == 0.5
    built.save_checkpoint(tmp_path / "a.ckpt")
    assert isinstance(built.strategy.checkpoint_io, WholeFileIO)
    assert isinstance(built.strategy, DDPStrategy) == (trainer == "ddp")


@pytest.mark.parametrize("protocol", options("protocol"))
@pytest.mark.parametrize("callbacks", options("callbacks"))
def test_every_set_of_callbacks_builds(compose, callbacks, protocol):
    config = compose("experiment=ccnet_unav100", f"callbacks={callbacks}", f"protocol={protocol}")
    assert len([instantiate(callback) for callback in config.callbacks.values()]) == len(config.callbacks)


@pytest.mark.parametrize("logger", options("logger"))
def test_every_logger_keeps_the_metrics_file(compose, logger):
    config = compose("experiment=ccnet_unav100", f"logger={logger}")
    metrics = instantiate(config.logger.metrics)
    assert metrics.path == Path(config.paths.run_dir) / "metrics.csv"


def test_tensorboard_writes_into_the_run_folder(compose):
    config = compose("experiment=ccnet_unav100", "logger=tensorboard")
    assert Path(instantiate(config.logger.tensorboard).log_dir).parent == Path(config.paths.run_dir)


def test_wandb_groups_and_names_runs(compose):
    pytest.importorskip("wandb", reason="the optional package wandb is not installed")
    config = compose("experiment=ccnet_unav100", "logger=wandb", "seed=3")
    assert config.logger.wandb.group == "ccnet_unav100"
    assert list(config.logger.wandb.tags) == ["ccnet", "unav100", "clean"]
    assert "seed=3" in config.logger.wandb.overrides
    assert instantiate(config.logger.wandb).save_dir == config.paths.run_dir


def test_a_missing_optional_package_is_named(compose, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.delitem(sys.modules, "avel.training.weights_and_biases", raising=False)
    monkeypatch.delattr("avel.training.weights_and_biases", raising=False)
    with pytest.raises(InstantiationException) as raised:
        instantiate(compose("experiment=ccnet_unav100", "logger=wandb").logger.wandb)
    assert "pip install -e '.[wandb" in MISTAKES.explain(raised.value)


def drawn(parameter):
    """A value that W&B might draw for a parameter of a sweep."""
    return parameter["value"] if "value" in parameter else parameter.get("values", [parameter.get("min")])[0]


def test_a_sweep_of_wandb_gives_commands_that_compose(compose):
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason="the optional package wandb is not installed")
    sweep = utils.load_sweep_config(str(CONF / "sweep" / "wandb.yaml"))
    values = {name: drawn(parameter) for name, parameter in sweep["parameters"].items()}
    arguments = utils.create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    assert utils.create_sweep_command(sweep["command"])[-2:] == ["${program}", "${args_no_hyphens}"]
    assert (CONF.parent / sweep["program"]).is_file()
    config = compose(*arguments["args_no_hyphens"])
    assert "wandb" in config.logger
    keys = [name for name in values if not (CONF / name).is_dir()]
    assert {key: OmegaConf.select(config, key) for key in keys} == {key: values[key] for key in keys}
    monitor = get_class(config.method._target_).monitor
    assert sweep["metric"] == {"name": f"val/{monitor}", "goal": "maximize"}  # not of the test split


def test_the_published_protocol_differs_in_every_key_for_some_method(compose):
    clean = compose("experiment=ccnet_unav100").protocol
    published = [compose(f"experiment={name}", "protocol=published").protocol for name in EXPERIMENTS]
    assert all(protocol.keys() == clean.keys() for protocol in published)
    assert [key for key in clean if all(protocol[key] == clean[key] for protocol in published)] == []


AVE_METHODS = [method for method in METHODS if experiment_of(method).endswith(("_ave", "_ave_weak"))]
RELEASED_NAMES = {
    "av_att": "av-att",
    "av_att_weak": "w-av-att",
    "cmran": "cmran-full",
    "cmran_weak": "cmran-weak",
    "psp": "psp-full",
    "psp_weak": "psp-weak",
    "avdln": "avdln-cmm",
}


AVE_TABLES = {
    "av_att": (ave.AV_ATT, ()),
    "av_att_weak": (ave.AV_ATT, ()),
    "dmrn": (ave.DMRN, ()),
    "cmran": (ave.CMRAN, ave.CMRAN_UNUSED),
    "cmran_weak": (ave.CMRAN, ave.CMRAN_UNUSED),
    "psp": (ave.PSP, ave.PSP_UNUSED),
    "psp_weak": (ave.PSP, ave.PSP_WEAK_UNUSED),
    "avdln": (ave.AVDLN, ()),
}


@pytest.mark.parametrize("method", AVE_METHODS)
def test_the_published_ave_recipes_are_the_released_ones(compose, method):
    name = RELEASED_NAMES.get(method, method)
    released = json.loads((RELEASED / f"{name}-training.json").read_text())
    config = compose(f"experiment={experiment_of(method)}", "protocol=published")
    recipe = instantiate(config.method.optimizer, _convert_="all")

    first = {"lr_by_epoch": "0", "lr_by_iteration": "0"}
    rates = [released[table][key] for table, key in first.items() if table in released]
    assert recipe.lr == (rates[0] if rates else 1e-3)
    clipping = {"cmran": 0.1, "cmran_weak": 0.5}
    assert recipe.clip_norm == clipping.get(method)
    assert str(recipe.clip_norm or "None") in str(released["gradient_clipping"])
    assert config.data.loader.batch_size == released["batch_size"]
    epochs = released.get("epochs", released.get("epochs_in_script"))
    assert config.trainer.max_epochs == epochs
    for key in ("dropout", "threshold", "margin"):
        if key in released:
            assert config.method[key] == released[key]


@pytest.mark.parametrize("method", AVE_METHODS)
def test_the_published_size_has_the_shapes_of_the_released_weights(compose, method):
    document = json.loads((RELEASED / f"{RELEASED_NAMES.get(method, method)}-full-keys.json").read_text())
    table, unused = AVE_TABLES[method]
    sizes = ("data.num_classes=28", "data.visual_dim=512", "data.audio_dim=128")
    positions = 1 if method == "avdln" else 49
    config = compose(f"experiment={experiment_of(method)}", "protocol=published", *sizes, f"data.positions={positions}")
    with torch.device("meta"):
        ours = build_method(config).state_dict()
        released = {name: torch.empty(shape) for name, shape in document["parameters"]}
    released = dense_layout(released) if method == "avdln" else released
    assert convert(released, table, ours, ignorable=unused).keys() >= {
        name for name in ours if "_extra_state" not in name
    }


RELEASED_OPTIONS = {
    "av_att": {"audio_axis": "positions", "loss": "released"},
    "av_att_weak": {"audio_axis": "positions", "loss": "released", "supervision": "weak"},
    "dmrn": {"audio_axis": "positions", "loss": "released", "swap_streams": True, "fusion_blocks": 1},
    "cmran": {"heads": 4, "interaction_heads": 4, "encoder_layers": 2, "dropout": 0.1, "visual_dropout": 0.2},
    "cmran_weak": {"loss": "released", "heads": 4, "interaction_heads": 2, "supervision": "weak"},
    "psp": {"audio_axis": "positions", "pair_targets": "stale", "pair_weight": 100, "threshold": 0.099},
    "psp_weak": {"audio_axis": "positions", "video_target": "proportion", "threshold": 0.095, "supervision": "weak"},
    "avdln": {"margin": 2.0},
}


@pytest.mark.parametrize("method", AVE_METHODS)
def test_the_protocol_reaches_the_method(compose, method):
    experiment = experiment_of(method)
    published, clean = (
        compose(f"experiment={experiment}", f"protocol={name}", *facts(experiment)).method
        for name in ("published", "clean")
    )
    released = RELEASED_OPTIONS[method]
    assert {key: published[key] for key in released} == released
    followed = {"audio_axis", "loss", "swap_streams", "pair_targets", "video_target"} & released.keys()
    assert [key for key in followed if clean[key] == published[key]] == []


def test_protocol_published_repeats_how_each_ave_paper_orders_and_selects(compose):
    keys = ("order", "drop_last", "selection_split", "monitor")
    protocols = {
        method: compose(f"experiment={experiment_of(method)}", "protocol=published").protocol for method in AVE_METHODS
    }
    assert {method: tuple(protocol[key] for key in keys) for method, protocol in protocols.items()} == {
        "av_att": ("fixed", True, "validation", None),
        "av_att_weak": ("fixed", True, "validation", "epoch"),
        "dmrn": ("fixed", True, "validation", None),
        "cmran": ("shuffled", False, "test", None),
        "cmran_weak": ("shuffled", False, "test", None),
        "psp": ("shuffled", True, "test", None),
        "psp_weak": ("first_batch_shuffled", True, "test", None),
        "avdln": ("shuffled", False, "validation", "epoch"),
    }


@pytest.mark.parametrize("method", DENSE)
def test_the_published_size_and_protocol_are_the_released_recipe(compose, method):
    released = json.loads((RELEASED / f"{method}-training.json").read_text())
    config = compose(f"experiment={method}_unav100", "size=published", "protocol=published")
    recipe, loss, decoder, pyramid, head = (
        instantiate(part, _convert_="all")
        for part in (getattr(config.method, name) for name in ("optimizer", "loss", "decoder", "pyramid", "head"))
    )

    optimizer, schedule = released["optimizer"], released["schedule"]
    assert {name: getattr(recipe, name) for name in ("lr", "weight_decay", "eps")} == {
        name: optimizer[name] for name in ("lr", "weight_decay", "eps")
    }
    assert (list(recipe.betas), recipe.clip_norm) == (optimizer["betas"], released["grad_clip"]["max"])
    assert (recipe.warmup_epochs, config.trainer.max_epochs) == (schedule["warmup_epochs"], schedule["total_epochs"])
    assert recipe.min_lr == pytest.approx(schedule["lr_used_at_iteration_10_iters_per_epoch"]["450"])

    objective, regularisation = released["loss"], released["regularisation"]
    assert (loss.regression_weight, loss.label_smoothing) == (objective["loss_weight"], objective["label_smoothing"])
    assert loss.initial_normalizer == objective["init_loss_norm"]
    assert loss.normalizer_momentum == objective["normaliser_momentum"]
    assert pyramid.drop_path == regularisation["droppath"]
    assert pyramid.residual_scale == regularisation["affine_droppath_scale_init"]
    assert config.data.crop.ratio == regularisation["crop_ratio"]
    assert config.data.crop.keep_ratio == regularisation["trunc_thresh"]
    assert config.callbacks.average.decay == released["ema"]["decay"]
    assert config.callbacks.average.warmup is False
    assert config.data.loader.batch_size == released["batch_size"]
    assert config.data.loader.eval_batch_size == released["val_batch_size"]

    ours = {
        "pre_nms_topk": decoder.pre_nms_topk,
        "max_seg_num": decoder.max_events,
        "min_score": decoder.min_score,
        "multiclass_nms": decoder.per_class,
        "nms_sigma": decoder.sigma,
        "iou_threshold": decoder.iou_threshold,
        "pre_nms_thresh": decoder.pre_nms_threshold,
        "nms_method": decoder.nms,
        "duration_thresh": decoder.min_length,
        "ext_score_file": None,
        "voting_thresh": decoder.voting_threshold,
    }
    assert ours == released["test_cfg"]

    sizes = released["model_defaults"]
    embedding, stem, branches = sizes["backbone_arch"]
    assert (pyramid.embedding_layers, pyramid.levels) == (embedding, branches + 1)
    # UnAV counts the block in which the modalities meet as one of the stem
    assert pyramid.stem_layers == (stem - 1 if method == "unav" else stem)
    assert (pyramid.dim, pyramid.heads, pyramid.kernel_size) == (
        *(sizes["embd_dim"], sizes["n_head"]),
        sizes["embd_kernel_size"],
    )
    assert (head.dim, head.layers, head.class_aware) == (
        *(sizes["head_dim"], sizes["head_num_layers"]),
        sizes["class_aware"],
    )
