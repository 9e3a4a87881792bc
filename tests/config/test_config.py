"""Every yaml composes and instantiates; every experiment takes a training and a validation step."""

from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.config.conftest import CONF
from tests.synthetic import TINY

EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
METHODS = sorted(path.stem for path in (CONF / "method").glob("*.yaml"))
FACTS = ("data.num_classes=3", "data.visual_dim=6", "data.audio_dim=4", "data.max_length=64")


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("protocol", options("protocol"))
@pytest.mark.parametrize("size", options("size"))
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_builds_in_every_size_and_protocol(compose, experiment, size, protocol):
    config = compose(f"experiment={experiment}", f"size={size}", f"protocol={protocol}", *FACTS)

    assert config.description
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    with torch.device("meta"):
        method = instantiate(config.method, _convert_="all")
    assert method.num_classes == plain["data"]["num_classes"] == 3


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_takes_a_training_and_a_validation_step(compose, data_dirs, experiment):
    family = compose(f"experiment={experiment}").data.features
    config = compose(f"experiment={experiment}", *TINY, f"paths.data_dir={data_dirs[family]}", *FACTS)
    data = instantiate(config.data, _convert_="all")
    method = instantiate(config.method, _convert_="all")
    quiet = {"callbacks": [], "logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    before = {name: weights.clone() for name, weights in method.named_parameters()}

    # the warm-up's first learning rate is 0: two steps
    trainer = instantiate(config.trainer, max_epochs=1, limit_train_batches=2, limit_val_batches=1, **quiet)
    trainer.fit(method, data)

    assert trainer.callback_metrics["train/loss"].isfinite()
    assert 0 <= trainer.callback_metrics["val/map"] <= 1
    unchanged = [name for name, weights in method.named_parameters() if torch.equal(weights, before[name])]
    assert len(unchanged) < len(before) / 2


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_a_narrow_size_that_is_narrower(compose, method):
    def parameters(size):
        config = compose("experiment=ccnet_unav100", f"method={method}", f"size={size}", *FACTS)
        with torch.device("meta"):
            return sum(p.numel() for p in instantiate(config.method, _convert_="all").parameters())

    assert parameters("narrow") < parameters("published") / 10


@pytest.mark.parametrize("trainer", options("trainer"))
def test_every_trainer_builds(compose, trainer):
    config = compose("experiment=ccnet_unav100", f"trainer={trainer}")
    # this machine may have no GPU
    config.trainer.accelerator, config.trainer.devices = "cpu", 1
    built = instantiate(config.trainer, logger=False, enable_checkpointing=False)
    assert built.max_epochs == config.trainer.max_epochs


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


def test_wandb_needs_no_account(compose):
    assert compose("experiment=ccnet_unav100", "logger=wandb").logger.wandb.offline is True


def test_published_protocol_differs_in_every_key(compose):
    clean, published = (
        compose("experiment=ccnet_unav100", f"protocol={name}").protocol for name in ("clean", "published")
    )
    assert clean.keys() == published.keys()
    assert all(clean[key] != published[key] for key in clean)
