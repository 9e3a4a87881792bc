import pytest

from avel.errors import UserError
from avel.training.checkpointing import BestCheckpoint, LastCheckpoint
from avel.training.files import write_json
from avel.training.folder_lock import LOCK, held
from avel.training.run_state import ASIDE, RunState, finished_runs, read_results, run_state
from tests.unit.training.scored import fit

CONFIG = {"stage": "fit", "seed": 1, "method": {"dim": 8, "num_classes": None}, "paths": {"log_dir": "a"}}
STORED = CONFIG | {"method": {"dim": 8, "num_classes": 3}, "paths": {"log_dir": "b"}, "ckpt_path": "last.ckpt"}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """The bytes of best.ckpt and last.ckpt."""
    folder = tmp_path_factory.mktemp("run")
    fit(BestCheckpoint(folder, "val/map"), LastCheckpoint(folder), scores=[0.1])
    return {name: (folder / name).read_bytes() for name in ("best.ckpt", "last.ckpt")}


@pytest.fixture
def stopped(checkpoints, tmp_path):
    """The folder of a run that has not come to its end."""
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for name, content in checkpoints.items():
        (tmp_path / "run" / "checkpoints" / name).write_bytes(content)
    return tmp_path / "run"


def test_a_new_folder_holds_nothing(tmp_path):
    assert run_state(tmp_path / "none", {}, CONFIG) == RunState()


def test_a_stopped_run_goes_on_from_its_last_checkpoint(stopped):
    assert run_state(stopped, STORED, CONFIG) == RunState(checkpoint=stopped / "checkpoints" / "last.ckpt")
    assert run_state(stopped, STORED, CONFIG | {"stage": "test"}) == RunState()


@pytest.mark.parametrize("fault", ["torn", "damaged"])
def test_a_faulty_checkpoint_is_passed_over_with_a_warning(stopped, checkpoints, caplog, fault):
    whole = checkpoints["last.ckpt"]
    middle = len(whole) // 2
    faulty = {"torn": whole[:middle], "damaged": whole.replace(bytes([1, 0, 0]), bytes([9, 9, 9]))}[fault]
    (stopped / "checkpoints" / "last.ckpt").write_bytes(faulty)
    assert run_state(stopped, STORED, CONFIG).checkpoint == stopped / "checkpoints" / "best.ckpt"
    assert "last.ckpt is torn or damaged" in caplog.text


def test_where_all_checkpoints_are_damaged_a_run_begins_anew_beside_them(stopped, caplog):
    for name in ("last.ckpt", "best.ckpt"):
        (stopped / "checkpoints" / name).write_bytes(b"torn")
    assert run_state(stopped, STORED, CONFIG) == RunState()
    assert not list(stopped.iterdir())
    (aside,) = (path for path in stopped.parent.iterdir() if path != stopped)
    assert sorted(path.name for path in (aside / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert str(aside) in caplog.text


def test_finished_runs_are_found_below_a_folder_by_name_without_those_that_were_set_aside(tmp_path):
    for name in ("b/2", "b/1", f"b/1{ASIDE}2026"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "results.json").touch()
    (tmp_path / "b" / "3").mkdir()
    assert finished_runs(tmp_path) == [tmp_path / "b" / "1", tmp_path / "b" / "2"]
    assert finished_runs(tmp_path / "b" / "2") == [tmp_path / "b" / "2"]


def test_a_finished_run_has_results(stopped):
    (stopped / "results.json").write_text('{"metr')
    assert read_results(stopped) is None
    write_json(stopped / "results.json", {"metrics": {}})
    assert run_state(stopped, STORED, CONFIG) == RunState(results={"metrics": {}})


def test_other_options_under_the_same_name_are_refused(stopped):
    with pytest.raises(UserError) as refused:
        run_state(stopped, STORED, CONFIG | {"method": {"dim": 16, "num_classes": None}})
    assert "method.dim: 8 there, 16 now" in str(refused.value)
    assert "num_classes" not in str(refused.value)
    assert "resume=restart" in str(refused.value)


def test_a_warning_about_what_is_set_aside_does_not_open_a_log_there(stopped, caplog):
    (stopped / "checkpoints" / "last.ckpt").write_bytes(b"torn")
    run_state(stopped, STORED, CONFIG, restart=True)
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == ["What"]


def test_what_there_was_is_set_aside_for_a_run_that_begins_anew(stopped, caplog):
    write_json(stopped / "results.json", {"metrics": {}})
    assert run_state(stopped, STORED, CONFIG | {"seed": 2}, restart=True) == RunState()
    assert not list(stopped.iterdir())
    (aside,) = (path for path in stopped.parent.iterdir() if path != stopped)
    assert read_results(aside) == {"metrics": {}}
    assert str(aside) in caplog.text


def test_a_folder_that_begins_anew_is_held_as_before(stopped):
    with held(stopped):
        run_state(stopped, STORED, CONFIG, restart=True)
        assert [path.name for path in stopped.iterdir()] == [LOCK]
    (aside,) = (path for path in stopped.parent.iterdir() if path != stopped)
    assert [path.name for path in aside.iterdir()] == ["checkpoints"]
