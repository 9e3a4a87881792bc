"""Where runs go and what a sweep notes about its trials; what a user mistakes."""

import re
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from avel.errors import UserError
from avel.training.failure import read_failure
from avel.training.files import write_json
from avel.training.sweep import read_trials
from avel_run.checks import check_facts, check_sweep, check_trainer, check_values, check_words
from avel_run.folders import enter_folder, run_trial
from avel_run.mistakes import Mistakes
from avel_run.stored_config import read_config
from hydra_plugins.avel_sweeps.summary import data_of
from tests.config.conftest import CONF


@pytest.fixture
def trial(compose, tmp_path):
    """Runs a trial of a sweep; returns its score and what was noted about it."""

    def trial(run, *overrides):
        of_sweep = ("hydra.mode=MULTIRUN", "hydra.job.num=0", f"hydra.sweep.dir={tmp_path / 'sweep'}")
        config = compose("experiment=ccnet_unav100", f"paths.log_dir={tmp_path}", *of_sweep, *overrides)
        score = run_trial(config, run, str)
        (note,) = read_trials(tmp_path / "sweep")
        return score, note

    return trial


def finish(cfg, folder):
    write_json(folder / "results.json", {"metrics": {}})
    return 0.5


def fail(cfg, folder):
    raise ValueError("boom")


def test_a_trial_is_noted_as_it_ends(trial, capsys):
    score, note = trial(fail)
    assert (score, note.status, note.message) == (None, "failed", "boom")
    assert read_failure(Path(note.folder)) == "boom"
    assert "trial 0 failed: boom" in capsys.readouterr().err
    assert (trial(finish)[0], trial(finish)[1].status) == (0.5, "skipped")


@pytest.mark.parametrize("starter", ["SLURM", "TORCHELASTIC"])
def test_a_trial_that_begins_anew_is_not_skipped(trial, monkeypatch, starter):
    _, first = trial(finish)
    _, again = trial(finish, "resume=restart")
    assert (first.folder, first.status, again.status) == (again.folder, "done", "done")
    _, failed = trial(fail, "resume=restart")
    assert read_failure(Path(failed.folder)) == "boom"
    monkeypatch.setenv(f"{starter}_RESTART_COUNT", "1")  # it has begun anew before
    assert trial(finish, "resume=restart")[1].status == "skipped"


def test_a_damaged_config_is_named(tmp_path):
    assert read_config(tmp_path) == {}
    for content in ("seed: [", "\0", "- 1", "3"):
        (tmp_path / "config.yaml").write_text(content)
        with pytest.raises(UserError, match=r"config\.yaml: is damaged, .*resume=restart"):
            read_config(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("seed: ${oc.env:HOME}", "has interpolations"),
        ('seed: "\\x24{oc.env:HOME}"', "has interpolations"),
        ("a: &a [1, 2]\nb: [*a, *a]", "has aliases"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        ("a: " + "[" * 900 + "]" * 900, "maximum recursion depth"),
    ],
)
def test_a_config_that_no_run_wrote_is_not_looked_up(tmp_path, content, reason):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=re.escape(reason)):
        read_config(tmp_path)


@pytest.mark.parametrize("name", ["${oc.env:HOME}", "a ${b", "???"])
def test_names_of_classes_are_not_looked_up(name):
    check_words("class_names", ["a $ {b}", "?"])
    with pytest.raises(UserError, match=r"data\.class_names: a configuration would look .* up: rename it"):
        check_words("class_names", ["a", name])


@pytest.mark.parametrize("how", ["resume=auto", "hydra.mode=MULTIRUN"])
def test_without_an_experiment_no_folder_is_made(compose, tmp_path, how):
    config = compose(how, f"paths.log_dir={tmp_path / 'logs'}")
    with pytest.raises(UserError, match="choose an experiment"):
        enter_folder(config)
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize(
    ("overrides", "refused"),
    [
        (("sweep=optuna",), False),
        (("sweep=optuna", "protocol.monitor=epoch"), True),
        (("sweep=optuna", "protocol.selection_split=test"), True),
        (("sweep=optuna", "~callbacks.best"), True),
        (("sweep=optuna", "protocol.monitor=epoch", "stage=validate"), False),
        (("protocol.monitor=epoch",), False),
    ],
)
def test_a_search_needs_a_validation_score(compose, overrides, refused):
    config = compose("experiment=ccnet_unav100", *overrides)
    if not refused:
        check_sweep(config)
        return
    with pytest.raises(UserError, match="validation score"):
        check_sweep(config)


@pytest.mark.parametrize(
    ("command", "top", "wrong", "meant"),
    [
        ("run.py", "config", "seeed=1", "seed"),
        ("run.py", "config", "experment=ccnet_unav100", "experiment"),
        ("run.py", "config", "data.max_length=64", "before data, or an experiment with it, is chosen"),
        ("run.py", "config", "hydra.sweper.n_trials=3", "hydra.sweeper.n_trials"),
        ("scripts/extract_features.py", "extract", "overwrit=true", "overwrite"),
        ("scripts/extract_features.py", "extract", "encoder.visual.hopp=1", "encoder.visual.hop"),
    ],
)
def test_the_key_that_was_meant_is_named(monkeypatch, command, top, wrong, meant):

    chosen = ["sweep=optuna"] if "n_trials" in wrong else []
    monkeypatch.setattr(sys, "argv", [command, "-m", *chosen, wrong])
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(ConfigCompositionException) as error:
        hydra.compose(top, overrides=[*chosen, wrong])
    said = Mistakes(CONF, top=top).explain(error.value)
    assert said.startswith(f"{wrong.partition('=')[0]}: there is no such key")
    assert meant in said


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["unav_unav100"], "unav_unav100: options are given as key=value. Did you mean experiment=unav_unav100?"),
        (["words"], "words: options are given as key=value."),
        (["seed=[1"], "seed=[1: cannot be read, "),
        (["~seeed"], "~seeed: there is nothing to take away. Did you mean seed"),
        (["~ckpt_path"], "~ckpt_path: there is nothing to take away. Did you mean ckpt_path=null?"),
    ],
)
def test_an_override_that_cannot_be_applied_is_told(monkeypatch, overrides, said):
    monkeypatch.setattr(sys, "argv", ["run.py", *overrides])
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(HydraException) as error:
        hydra.compose("config", overrides=overrides)
    assert Mistakes(CONF).explain(error.value).startswith(said)


def test_options_of_a_task_are_called_by_all_of_their_name():
    loss = {"_target_": "avel.losses.dense.DenseLossConfig", "label_smoothing": 3}
    with pytest.raises(InstantiationException) as error:
        instantiate(OmegaConf.create({"method": {"tasks": {"ours": {"loss": loss}}}}).method)
    assert Mistakes(CONF).explain(error.value).startswith("method.tasks.ours.loss.label_smoothing=3: give a number")


@pytest.mark.parametrize(
    ("value", "said"),
    [("${nothing}", "seed: Interpolation key 'nothing' not found"), ("???", "seed: Missing mandatory")],
)
def test_what_cannot_be_looked_up_is_one_line(compose, value, said):
    with pytest.raises(OmegaConfBaseException) as error:
        check_values(compose("experiment=ccnet_unav100", f"seed={value}"))
    told = Mistakes(CONF).explain(error.value)
    assert told.startswith(said)
    assert "\n" not in told


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+trainer.accumulate_grad_batches=0", "accumulate_grad_batches=0: give a whole number from 1 on"),
        ("+trainer.gradient_clip_val=1.0", "gradient_clip_val=1.0: give method.optimizer.clip_norm instead"),
        ("+trainer.limit_train_batches=0", "limit_train_batches=0: nothing would be trained"),
    ],
)
def test_what_a_trainer_would_fail_for_in_the_first_step_is_refused(compose, override, said):
    with pytest.raises(UserError, match=said):
        check_trainer(compose("experiment=ccnet_unav100", override))


def test_what_is_no_task_is_left_to_the_check_of_types():
    config = {"data": {"sets": {"a": {"num_classes": 2}, "b": {"num_classes": 2}}}}
    check_facts(OmegaConf.create(config | {"method": {"tasks": {"a": -1}}}))
    with pytest.raises(UserError, match=r"method\.tasks\.b\.num_classes=3: the data have 2"):
        check_facts(OmegaConf.create(config | {"method": {"tasks": {"a": None, "b": {"num_classes": 3}}}}))


def test_a_value_that_does_not_fit_its_key_is_told_apart(monkeypatch):
    wrong = "hydra.sweeper.search_space={a:{low:1}}"
    monkeypatch.setattr(sys, "argv", ["run.py", "-m", "sweep=optuna", wrong])
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(ConfigCompositionException) as error:
        hydra.compose("config", overrides=["sweep=optuna", wrong])
    assert "+hydra.sweeper.search_space=" in Mistakes(CONF).explain(error.value)


@pytest.mark.parametrize(
    ("sweep", "wrong"),
    [("optuna", "n_trials=many"), ("optuna", "n_jobs=0"), ("optuna", "seed=-1"), ("grid", "max_batch_size=0")],
)
def test_numbers_of_a_sweep_are_checked(compose, sweep, wrong):
    compose("experiment=ccnet_unav100", f"sweep={sweep}", f"hydra.sweeper.{wrong}")
    with pytest.raises(InstantiationException) as error:
        instantiate(HydraConfig.get().sweeper)
    assert f"hydra.sweeper.{wrong}: give a whole number from" in Mistakes(CONF).explain(error.value)


def test_what_a_run_names_must_be_data_of_ours(tmp_path):
    for target in ("os.system", "avel.data.h5.os.system", "avel.data.h5.h5py.File", "avel.metrics.rules.Rules"):
        (tmp_path / "config.yaml").write_text(f"data:\n  _target_: {target}\n")
        with pytest.raises(UserError, match=r"no class of avel\.data"):
            data_of(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        "data: [",
        "x: 1",
        "[1]",
        "data: null",
        "data: {_target_: avel.data.unav100.Old}",
        "data: {_target_: avel.data.ave.AVE, new: 1}",
    ],
)
def test_a_configuration_that_builds_no_data_is_told(tmp_path, config):
    (tmp_path / "config.yaml").write_text(config)
    with pytest.raises(UserError, match=r"config\.yaml: "):
        data_of(tmp_path)


def test_data_that_were_moved_are_found(tmp_path):
    one = "{_target_: avel.data.unav100.UnAV100, root: old/unav100}"
    (tmp_path / "config.yaml").write_text(f"data: {one}")
    assert data_of(tmp_path, Path("new")).root == Path("new/unav100")
    joint = "{_target_: avel.data.multitask.MultitaskDataModule, sets: {a: " + one + "}}"
    (tmp_path / "config.yaml").write_text(f"data: {joint}")
    assert data_of(tmp_path, Path("new")).by_task()["a"].root == Path("new/unav100")


def test_sweeps_of_wandb_are_not_ours(compose):
    config = compose("experiment=ccnet_unav100", "sweep=wandb")
    with pytest.raises(UserError, match="W&B starts these runs itself"):
        check_sweep(config)


def test_groups_of_other_commands_are_not_proposed(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run.py"])
    groups, _ = Mistakes(CONF)._valid_keys()
    assert [group for group in groups if group.startswith("encoder")] == []
    assert "encoder/audio" in Mistakes(CONF, top="extract")._valid_keys()[0]


def test_help_and_mistakes_do_without_torch():
    words = "import sys, run, avel_run.checks, avel_run.folders; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", words], cwd=CONF.parent, check=True)
