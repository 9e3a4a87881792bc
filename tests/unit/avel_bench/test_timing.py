from collections import Counter

import pytest

from avel.errors import UserError
from avel_bench.settings import Settings
from avel_bench.timing import Work, time_by_turns


def test_works_take_turns_and_warm_ups_do_not_count(screen):
    done = []
    works = [Work("a", lambda: done.append("a")), Work("b", lambda: done.append("b"), videos=4)]
    rows = time_by_turns(works, "ms", Settings(size="narrow", repeats=3, warmup=2), screen)
    assert "".join(done) == "aabb" + 3 * "ab"
    assert [(row.name, len(row.samples)) for row in rows] == [("a", 3), ("b", 3)]


def test_short_work_is_repeated_within_a_sample(screen):
    done = Counter()
    work = Work("a", lambda: done.update("a"))
    (row,) = time_by_turns([work], "ms", Settings(repeats=2), screen)
    assert done["a"] > 10
    assert len(row.samples) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "--repeats 0: give a whole number from 1 on"),
        ({"warmup": -1}, "--warmup -1: give a whole number from 0 on"),
        ({"videos": 0}, "--videos 0: give"),
    ],
)
def test_numbers_must_be_possible(options, message):
    with pytest.raises(UserError, match=message):
        Settings(**options)


@pytest.mark.parametrize("name", ["no", "a file"])
def test_folders_must_be_there(tmp_path, name):
    (tmp_path / "a file").touch()
    with pytest.raises(UserError, match=f"--folder .*{name}: there is no such folder"):
        Settings(folder=tmp_path / name)


def test_annotations_are_a_file_and_traces_get_a_folder(tmp_path):
    (tmp_path / "a file").touch()
    with pytest.raises(UserError, match="--annotations .*: there is no such file"):
        Settings(annotations=tmp_path)
    with pytest.raises(UserError, match="--profile .*: is a file, give the name of a folder"):
        Settings(profile=tmp_path / "a file")
    assert Settings(profile=tmp_path / "new").profile == tmp_path / "new"


def test_a_missing_gpu_is_told(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="--device cuda: PyTorch finds no GPU"):
        Settings(device="cuda")
