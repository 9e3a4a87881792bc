"""The experiments on AVE against the released recipes: learning rates, clipping, batches and epochs."""

import json
import re
from typing import Any

import hydra
import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig

from tests.config.conftest import CONF
from tests.reference.loader import FOLDER
from tests.unit.tasks.clips import Toy

EXPERIMENTS = {
    "av-att": "av_att_ave",
    "w-av-att": "av_att_ave_weak",
    "dmrn": "dmrn_ave",
    "cmran-full": "cmran_ave",
    "cmran-weak": "cmran_ave_weak",
    "psp-full": "psp_ave",
    "psp-weak": "psp_ave_weak",
    "avdln-cmm": "avdln_ave",
}
PUBLISHED = [
    pytest.param(json.loads(path.read_text()), experiment, id=experiment)
    for name, experiment in EXPERIMENTS.items()
    if (path := FOLDER / f"{name}-training.json").is_file()
]


def compose(experiment: str) -> DictConfig:
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        return hydra.compose("config", overrides=[f"experiment={experiment}"])


def number_in(text: str | None, pattern: str) -> float | None:
    found = re.search(pattern, text or "")
    return float(found[1]) if found else None


def rates(published: dict[str, Any]) -> tuple[str | None, dict[int, float]]:
    """What the published table counts, "step", "epoch" or None for a constant rate, and the table."""
    for interval, key in (("step", "lr_by_iteration"), ("epoch", "lr_by_epoch")):
        if key in published:
            return interval, {int(count): rate for count, rate in published[key].items()}
    return None, dict.fromkeys((0, 100), number_in(published["lr"], r"^constant (\S+)"))


@pytest.mark.parametrize(("published", "experiment"), PUBLISHED)
def test_learning_rates(published: dict[str, Any], experiment: str) -> None:
    recipe = instantiate(compose(experiment).method.optimizer, _convert_="all")
    interval, expected = rates(published)
    assert recipe.interval == interval or not recipe.milestones
    built = Toy(optimizer=recipe).configure_optimizers()
    optimizer, scheduler = built["optimizer"], built["lr_scheduler"]["scheduler"]
    used = []
    for _ in range(max(expected) + 1):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert {count: used[count] for count in expected} == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.parametrize(("published", "experiment"), PUBLISHED)
def test_the_rest_of_the_recipe(published: dict[str, Any], experiment: str) -> None:
    config = compose(experiment)
    recipe = instantiate(config.method.optimizer, _convert_="all")
    assert recipe.clip_norm == number_in(published["gradient_clipping"], r"global norm ([0-9.]+)")
    assert recipe.eps == (number_in(published["optimizer"], r"epsilon ([0-9.e-]+)") or 1e-8)
    assert config.data.loader.batch_size == published["batch_size"]
    assert config.trainer.max_epochs == published.get("epochs", published.get("epochs_in_script"))
