"""Data of one's own, from the check to the result."""

import json
import shlex

import pytest
from scripts.check_dataset import main

from tests.synthetic import TINY, write_tiny, write_tiny_custom


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs `scripts/check_dataset.py`; returns its exit code and what it printed."""

    def check(*arguments):
        monkeypatch.setattr("sys.argv", ["check_dataset.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out + printed.err

    return check


def test_from_the_check_to_the_result(check, run_py, tmp_path):
    folder = write_tiny_custom(tmp_path / "own videos")
    code, text = check("--annotations", folder / "annotations.csv", "--features", folder / "features")
    assert code == 0
    assert "drawn by a hash" in text
    command = next(line for line in text.splitlines() if "run.py" in line)
    overrides = shlex.split(command.partition("run.py")[2])
    done = run_py(*overrides, *TINY, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    assert "has no test and no validation split" in (tmp_path / "run" / "console.log").read_text()
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["videos"] == {"evaluated": 4, "annotated": 4}

    table = folder / "annotations.csv"
    first = min(line.rpartition(",")[2] for line in table.read_text().splitlines()[1:])
    table.write_text(table.read_text().replace(f",{first}\n", ",zebra braying\n"))
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    done = run_py(*overrides, *TINY, "stage=test", f"ckpt_path={checkpoint}", f"hydra.run.dir={tmp_path / 'other'}")
    assert done.returncode == 2
    assert f"class 0 is {first} in the checkpoint, " in done.stderr


def test_the_check_says_what_would_fail(check, tmp_path):
    folder = write_tiny_custom(tmp_path)
    next((folder / "features").glob("*_audio.npy")).write_bytes(b"")
    code, text = check("--annotations", folder / "annotations.csv", "--features", folder / "features")
    assert code == 1
    assert "Videos with damaged features: 1" in text
    assert "Training would fail for 1 reason" in text
    assert check("--annotations", folder / "annotations.csv")[0] == 0


def test_the_check_knows_all_data_sets(check, tmp_path):
    write_tiny(tmp_path)
    code, text = check("data=unav100", f"paths.data_dir={tmp_path}", "data.loader.batch_size=4")
    assert code == 0, text
    assert "Training can start.\n" in text
    code, text = check("data=unav100", f"paths.data_dir={tmp_path}/nowhere")
    assert code == 1
    assert "no such file" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to check: --annotations FILE --features DIR, or data=NAME"),
        (("--annotations", "a.csv", "--features", "nowhere"), "nowhere: no such folder of features"),
        (("data=unav10",), "unav10"),
        (("--features", "nowhere"), "say what to check"),
        (("--annotations", "a.csv", "data=ave"), "--annotations is for data of your own: leave it out, or data=NAME"),
        (("--annotations", "a.csv", "data.frame_rate=x"), "data.frame_rate=x: give a number or null"),
        (("data=unav100", "data.num_clases=1"), "there is no such key. Did you mean data.num_classes"),
        (("--annotations", "a.csv", "data.noises=1"), "data.noises: there is no such key. Did you mean data.noise"),
    ],
)
def test_a_wrong_call_is_told(check, arguments, message):
    code, text = check(*arguments)
    assert code == 2
    assert message in text
