import json

import h5py
import numpy as np
import pytest

from avel.data.ave import AVE
from avel.data.custom import CustomData
from avel.data.inspection.report import inspect, inspect_annotations
from avel.data.module import LoaderOptions
from avel.data.thumos14 import Thumos14
from avel.errors import UserError
from tests.synthetic import write_tiny_ave
from tests.unit.data.files import entry, event, write_annotations, write_rows, write_visual_only
from tests.unit.data.inspection.conftest import ROWS, VIDEOS
from tests.unit.data.inspection.videos import whats


def own(tmp_path, folder, *rows, **options):
    table = write_rows(tmp_path / "own.csv", *(rows or ROWS))
    return CustomData(annotations=table, feature_dir=folder, **options)


def fatal(report):
    return [finding.what for finding in report.findings if finding.level == "error"]


def train(data):
    data.setup("fit")
    data.train_dataloader()


def test_a_sound_data_set(tmp_path, folder):
    report = inspect(own(tmp_path, folder))
    assert report.fatal == 0
    assert whats(report.findings) == [
        "Has no test and no validation split; drawn by a hash of the videos' ids: 28 train, 6 validation, 6 test"
    ]
    assert len(report.annotations.videos) == len(report.survey.shapes) == 40


def test_annotations_alone(tmp_path):
    report = inspect_annotations(write_rows(tmp_path / "own.csv", *ROWS))
    assert report.fatal == 0
    assert len(report.annotations.split("train")) == 28
    assert report.folder is None
    assert "Videos whose duration is not known without features: 40 of 40" in whats(report.findings)
    report = inspect_annotations(write_rows(tmp_path / "own.csv", *ROWS, "bad,5,1,dog"))
    assert fatal(report) == ["Videos with malformed annotations: 1 of 41\nbad: event [5, 1] s ends before it starts"]
    assert len(report.annotations.videos) == 40
    assert "own.csv: cannot be read" in fatal(inspect_annotations(tmp_path / "nowhere" / "own.csv"))[0]


def test_a_table_without_rows_cannot_be_used(tmp_path, folder):
    message = f"{tmp_path}/own.csv: has no events, and data.class_names does not say what to look for"
    table = write_rows(tmp_path / "own.csv")
    assert fatal(inspect_annotations(table)) == [message]
    data = CustomData(annotations=table, feature_dir=folder)
    assert fatal(inspect(data, splits=("train",))) == [message]


def test_one_fault_does_not_hide_the_next(tmp_path, folder):
    (folder / "v03_a.npy").unlink()
    (folder / "v04_v.npy").write_bytes(b"")
    np.save(folder / "v05_v.npy", np.ones((20, 9), np.float32))
    rows = [*ROWS, "v06,4,1,dog", "v07,500,600,dog", "v08,1.00,1.00,dog"]
    report = inspect(own(tmp_path, folder, *rows))
    assert [what.splitlines()[0].partition(" (")[0] for what in fatal(report)] == [
        "Videos with malformed annotations: 2 of 40",
        "Videos without feature files: 1 of 38",
        "Videos with damaged features: 1",
        "Videos whose features are not 3",
    ]
    assert "1 events of zero length dropped; first in video 'v08'" in whats(report.findings)


@pytest.mark.filterwarnings("ignore:.*drawn by a hash")
@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["v00,0,1,dog"], {}, "has 1 training videos, too few to draw the splits test and validation"),
        (ROWS, {"class_names": ["dog"]}, "Videos with malformed annotations: 40"),
        (ROWS, {"num_classes": 3}, "has 2 classes, data.num_classes is 3"),
        (ROWS, {"visual_dim": 9}, "data.visual_dim=9, but the features in"),
        (ROWS, {"loader": LoaderOptions(batch_size=29)}, "data.loader.batch_size=29 is more than"),
        (ROWS, {"validation_share": 0}, "No video in the split 'validation'"),
    ],
)
def test_whatever_stops_training_is_found(tmp_path, folder, rows, options, message):
    data = own(tmp_path, folder, *rows, **options)
    report = inspect(data)
    assert any(message in what for what in fatal(report))
    again = own(tmp_path, folder, *rows, **options)
    with pytest.raises(UserError):
        train(again)


@pytest.mark.filterwarnings("ignore:.*drawn by a hash")
def test_options_bear_the_name_of_their_task_whatever_finds_the_fault(tmp_path, folder):
    data = own(tmp_path, folder, loader=LoaderOptions(batch_size=29))
    data.task = "ours"
    (told,) = fatal(inspect(data))
    assert told.startswith("data.sets.ours.loader.batch_size=29 is more than")


def test_what_headers_do_not_show_is_not_looked_for_if_so_asked(tmp_path, folder):
    np.save(folder / "v05_v.npy", np.full((20, 3), np.nan, np.float32))
    data = own(tmp_path, folder)
    assert inspect(data, headers_only=True).fatal == 0
    assert inspect(data).fatal == 1


def test_long_videos_are_told(tmp_path, folder):
    report = inspect(own(tmp_path, folder, max_length=16))
    assert "Training videos of more than 16 snippets: 28 of 28 (v00, v01, v02, …)" in whats(report.findings)


def test_other_data_sets(tmp_path):
    report = inspect(Thumos14(root=write_visual_only(tmp_path), loader=LoaderOptions(batch_size=2)))
    assert report.fatal == 0
    assert report.annotations.class_names == ("dog barking",)
    assert len(report.annotations.split("validation")) == 1


def test_missing_annotations_are_all_that_is_told(tmp_path):
    report = inspect(Thumos14(root=tmp_path))
    assert report.annotations is None
    assert "thumos14.json: no such file" in fatal(report)[0]


def test_data_sets_of_clips(tmp_path):
    root = write_tiny_ave(tmp_path) / "ave"
    report = inspect(AVE(root=root, loader=LoaderOptions(batch_size=4)))
    assert report.fatal == 0
    assert len(report.annotations.videos) == 30
    assert report.folder is None
    with h5py.File(root / "audio_feature.h5", "r+") as file:
        file["avadataset"][3, 2, 1] = np.nan
    (what,) = fatal(inspect(AVE(root=root, loader=LoaderOptions(batch_size=4))))
    assert what.startswith("Videos with damaged features: 1\n")
    assert "row 3: holds NaN" in what


def test_a_database_is_checked_by_the_rules_of_its_data_set(tmp_path, folder):
    database = {video: entry(event(1, 40), subset="train") for video in VIDEOS}
    path = write_annotations(tmp_path, json.dumps({"database": database}))
    refusing, clipping = (
        inspect(CustomData(annotations=path, feature_dir=folder, beyond=beyond)) for beyond in ("refuse", "clip")
    )
    assert "Videos with malformed annotations: 40" in fatal(refusing)[0]
    assert "40 events clipped to the length of their video; first in video 'v00'" in whats(clipping.findings)
