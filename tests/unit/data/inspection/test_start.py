import numpy as np
import pytest

from avel.data.custom import CustomData
from avel.data.inspection.report import inspect
from avel.data.inspection.start import check_at_start
from avel.data.multitask import MultitaskDataModule
from avel.errors import UserError
from tests.unit.data.files import write_rows
from tests.unit.data.inspection.conftest import ROWS, VIDEOS

pytestmark = pytest.mark.filterwarnings("ignore:.*drawn by a hash")
SPLITS = ("train", "validation", "test")


def own(tmp_path, folder, *rows, **options):
    return CustomData(annotations=write_rows(tmp_path / "own.csv", *ROWS, *rows), feature_dir=folder, **options)


def check(data, *, splits=SPLITS, extent="headers"):
    return check_at_start(data.by_task(), splits, extent, "python check.py")


def test_of_sound_data_nothing_is_said_but_what_reading_warns_of(tmp_path, folder):
    data = own(tmp_path, folder)
    drawn = f"{tmp_path}/own.csv: has no test and no validation split; drawn by a hash of the videos' ids: "
    assert check(data) == [f"{drawn}28 train, 6 validation, 6 test"]


def test_what_would_fail_is_refused_with_the_first_faults_and_how_to_see_all(tmp_path, folder):
    (folder / "v03_a.npy").unlink()
    (folder / "v04_v.npy").write_bytes(b"")
    np.save(folder / "v05_v.npy", np.ones((20, 9), np.float32))
    data = own(tmp_path, folder, "v06,4,1,dog")
    with pytest.raises(UserError) as caught:
        check(data)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"data: 4 errors, in {tmp_path}/own.csv and {folder}"
    assert "v06: event [4, 1] s ends before it starts" in lines
    assert any(line.startswith("Videos without feature files: 1 of 39 (v03)") for line in lines)
    assert lines[-2:] == ["… and 1 more", "All: python check.py"]
    kinds = [finding.what.splitlines()[0] for finding in inspect(data).findings if finding.level == "error"]
    assert [line for line in lines if line in kinds] == kinds[:3], "the same words in the same order"


def test_a_single_fault_that_ends_the_reading_speaks_for_itself(tmp_path, folder):
    data = own(tmp_path, folder)
    data.source.unlink()
    with pytest.raises(UserError, match=r"^/\S*own.csv: cannot be read \(No such file or directory\)$"):
        check(data)


def test_what_is_odd_is_told(tmp_path, folder):
    np.save(folder / "v05_v.npy", np.ones((12, 3), np.float32))
    _, told = check(own(tmp_path, folder))
    assert told.startswith("data: 1 warning, in ")
    assert "Videos whose visual and audio features differ in length: 1 (v05: 12 and 20 snippets)" in told


def test_what_was_told_is_not_told_again(tmp_path, folder, recwarn):
    video = own(tmp_path, folder).annotations.split("test")[0].video
    np.save(folder / f"{video}_v.npy", np.ones((12, 3), np.float32))
    data = own(tmp_path, folder, f"{video},5,7,bird")
    (told,) = [message for message in check(data) if message.startswith("data: ")]
    assert "Classes without an event in training: 1 of 3 (bird)" in told
    assert "differ in length: 1" in told
    recwarn.clear()
    data.setup("fit")
    data.setup("test")
    assert not recwarn.list


def test_splits_that_are_not_needed_are_not_looked_at(tmp_path, folder):
    data = own(tmp_path, folder)
    test = [video.video for video in data.annotations.split("test")]
    for video in set(VIDEOS).difference(test):
        (folder / f"{video}_v.npy").unlink()
    assert len(check(data, splits=("test",))) == 0
    with pytest.raises(UserError, match="Videos without feature files: 34 of 40"):
        check(data)


def test_features_are_read_only_if_so_asked(tmp_path, folder):
    np.save(folder / "v05_v.npy", np.full((20, 3), np.nan, np.float32))
    data = own(tmp_path, folder)
    assert len(check(data)) == 1
    with pytest.raises(UserError, match="v05_v.npy: holds NaN"):
        check(data, extent="full")
    assert check(data, extent="none") == []
    with pytest.raises(UserError, match="check_data=all: unknown, choose one of headers, full, none"):
        check(data, extent="all")


@pytest.mark.parametrize("extent", ["headers", "full"])
def test_who_looks_on_sees_how_far_it_is(tmp_path, folder, extent):
    seen = []
    data = own(tmp_path, folder)
    check_at_start(data.by_task(), SPLITS, extent, "", track=lambda videos: seen.extend(videos) or videos)
    assert sorted(seen) == VIDEOS


def test_options_of_one_set_among_several_bear_its_name(tmp_path, folder):
    data = own(tmp_path, folder)
    (folder / "v03_a.npy").unlink()
    several = MultitaskDataModule({"ours": data})
    with pytest.raises(UserError, match=r"^data.sets.ours: 1 error,(.|\n)*leave .* out: data.sets.ours.allow_missing="):
        check(several)
