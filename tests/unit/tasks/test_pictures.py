import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from avel.batch import collate_clips
from avel.errors import UserError
from avel.report.attention import PANEL, Caption
from avel.tasks.dense import DenseLocalizer
from avel.tasks.dense_task import DenseTask
from avel.tasks.pictures import AttentionPictures, make_captions, spread
from tests.unit.extraction.videos import write_video
from tests.unit.tasks.clips import CLASSES, ClipData, Toy, make_clip, quiet_trainer
from tests.unit.training.boards import Board

SIX_SQUARES = (1216, 682)
"""Size of a sheet of six square maps."""


class Data(ClipData):
    predict_split = "validation"

    def __init__(self, *videos):
        """The clips of the toy data, or a test split of some ids."""
        super().__init__()
        if videos:
            self.clips["test"] = [make_clip(video, 1, 4, 1, 4) for video in videos]

    def predict_dataloader(self):
        return self.batches(self.predict_split)


def run(callback, stage="test", method=None, data=None, **options):
    quiet = {"return_predictions": False} if stage == "predict" else {"verbose": False}
    method = method or Toy()
    getattr(quiet_trainer(callbacks=[callback], **options), stage)(method, data or Data(), **quiet)
    return method


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def sheets(monkeypatch):
    """What sheets are drawn of instead of the sheets: title -> (attention, captions, frames)."""
    drawn = {}

    def sheet(attention, captions, *, frames, title, style):
        drawn[title] = attention, captions, frames
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("avel.tasks.pictures.attention_sheet", sheet)
    return drawn


def test_a_test_leaves_pictures(tmp_path):
    run(AttentionPictures(tmp_path / "run" / "attention", count=3))
    assert len(names(tmp_path / "run" / "attention")) == 3
    for path in (tmp_path / "run" / "attention").iterdir():
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", SIX_SQUARES)


@pytest.mark.filterwarnings("ignore:predict returned None")
def test_so_do_the_test_of_a_fit_and_a_prediction(tmp_path):
    callback, data = AttentionPictures(tmp_path, count=2), Data()
    trainer = quiet_trainer(callbacks=[callback])
    trainer.fit(Toy(), data)
    assert names(tmp_path) == []
    trainer.test(Toy(), data, verbose=False)
    assert [name.split()[0] for name in names(tmp_path)] == ["test"] * 2
    run(callback, "predict")
    assert [name.split()[0] for name in names(tmp_path)] == ["test"] * 2 + ["validation"] * 2


def test_what_was_found_is_drawn_and_the_network_runs_once(tmp_path, sheets):
    class Counting(Toy):
        calls = 0

        def decide(self, batch):
            self.calls += 1
            return super().decide(batch)

    data = Data()
    method = run(AttentionPictures(tmp_path, count=99), method=Counting(), data=data)
    assert method.calls == 3  # 9 videos, 4 in a batch
    assert sheets.keys() == {clip.video for clip in data.clips["test"]}
    expected = method.localize(collate_clips(data.clips["test"]))
    for clip, labels, attention in zip(data.clips["test"], expected.labels, expected.attention, strict=True):
        shown, captions, frames = sheets[clip.video]
        assert torch.equal(shown, attention)
        assert captions == make_captions(labels, clip.labels, data.class_names, 0.5)
        assert frames is None


def test_captions_say_when_and_what():
    predicted, true = torch.tensor([0, 2, 1]), torch.tensor([0, 1, 2])
    assert make_captions(predicted, true, ["dog", "bell"], 0.5) == [
        Caption("0-0.5 s", "dog", "dog"),
        Caption("0.5-1 s", "background", "bell"),
        Caption("1-1.5 s", "bell", "background"),
    ]


def test_chosen_videos_only_and_absent_ones_are_named(tmp_path, caplog):
    run(AttentionPictures(tmp_path, videos=["test 4", "test 99"]))
    assert names(tmp_path) == ["test 4.png"]
    assert "test 99" in caplog.text


@given(st.lists(st.integers(0, 4), max_size=30), st.integers(0, 12))
def test_videos_are_spread_over_the_classes(classes, count):
    labels = {f"v{i}": torch.tensor([9, label]) for i, label in enumerate(classes)}
    chosen = spread(labels, count)
    assert len(set(chosen)) == len(chosen) == min(count, len(classes))
    seen = [classes[int(video[1:])] for video in chosen]
    assert len(set(seen)) == min(count, len(set(classes)))


def test_videos_come_from_the_beginning_and_the_end_of_the_classes():
    labels = {f"{label}{copy}": torch.tensor([label]) for label in range(28) for copy in "abc"}
    assert spread(labels, 4) == ["0a", "7a", "14a", "21a"]
    assert spread(labels, 29)[-2:] == ["27a", "0b"]


def test_attention_lies_over_the_frames_in_the_middle_of_the_snippets(tmp_path, sheets):
    write_video(tmp_path / "a.mkv", [0, 0.2, 0.5, 0.8, 1.3, 1.6])
    run(AttentionPictures(tmp_path / "out", video_dir=tmp_path), data=Data("a", "a~2"))
    for _, _, frames in sheets.values():  # at 0.25, 0.75, 1.25, … s
        assert np.rint(frames[:, 30, 30, 0] / 10).tolist() == [1, 2, 3, 5, 5, 5]
    assert len(sheets) == 2


def test_frames_give_the_picture_their_shape(tmp_path):
    write_video(tmp_path / "a.mp4", [0.0, 1.0])  # 64 x 48
    run(AttentionPictures(tmp_path / "out", video_dir=tmp_path), data=Data("a"))
    with Image.open(tmp_path / "out" / "a.png") as image:
        assert image.size == (SIX_SQUARES[0], SIX_SQUARES[1] - 2 * PANEL // 4)


def test_videos_that_cannot_be_read_are_drawn_without_frames_and_reported_once(tmp_path, sheets, caplog):
    write_video(tmp_path / "a.mp4", [0.0, 1.0])
    (tmp_path / "b.mp4").write_bytes(b"garbage")
    with caplog.at_level(logging.WARNING):
        run(AttentionPictures(tmp_path / "out", video_dir=tmp_path), data=Data("a", "b", "c"))
    assert [frames is None for _, _, frames in sheets.values()] == [False, True, True]
    (record,) = (record for record in caplog.records if record.name == "avel.tasks.pictures")
    assert "2 of 3" in record.getMessage()
    assert "b.mp4" in record.getMessage()


def test_no_id_leads_out_of_the_folder(tmp_path):
    ids = ["../../up", f"{tmp_path}/absolute", "..", "a/b", "a_b", "a%2Fb", "-x_Y~2", "null\0"]
    run(AttentionPictures(tmp_path / "in" / "out"), data=Data(*ids))
    assert names(tmp_path / "in") == ["out"]
    assert len(names(tmp_path / "in" / "out")) == len(ids)
    assert "-x_Y~2.png" in names(tmp_path / "in" / "out")


def test_dashboards_show_the_pictures(tmp_path):
    board = Board()
    run(AttentionPictures(tmp_path, videos=["test 1", "test 2"]), logger=[board])
    assert board.pictures.keys() == {"attention/test 1", "attention/test 2"}
    (((image, _),), _) = board.pictures.values()
    assert image.size == SIX_SQUARES


def test_dashboards_get_names_that_files_can_have(sheets):
    board, video = Board(), "x" * 250
    run(AttentionPictures(None, videos=[video]), data=Data(video), logger=[board])
    (name,) = board.pictures
    assert len(name) < 220


def test_dashboards_show_validations_now_and_then(tmp_path, sheets):
    board, data = Board(), Data()
    callback = AttentionPictures(tmp_path, count=2, every_n_epochs=2)
    trainer = quiet_trainer(callbacks=[callback], logger=[board], max_epochs=3, log_every_n_steps=1)
    trainer.fit(Toy(), data)
    assert len(board.pictures) == 2
    for name, shown in board.pictures.items():
        assert name.startswith("attention/val/validation ")
        assert [moment.epoch for _, moment in shown] == [1, 2]
    assert names(tmp_path) == []  # the folder has those of the test


def test_without_a_folder_they_are_for_dashboards_only(sheets):
    run(AttentionPictures(None))
    assert sheets == {}
    board = Board()
    run(AttentionPictures(None, count=2), logger=[board])
    assert len(board.pictures) == 2


def test_methods_of_other_tasks_are_left_alone(tmp_path):
    class Other(DenseLocalizer):
        forward = padded_length = None

    callback = AttentionPictures(tmp_path)
    trainer = quiet_trainer()
    trainer.testing = True
    method = Other(DenseTask(CLASSES, 64), 6, None)
    callback.on_test_start(trainer, method)
    callback.on_test_batch_end(trainer, method, None, collate_clips(Data().clips["test"]), 0)
    callback.on_test_end(trainer, method)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ({"style": "jet"}, "style=jet"),
        ({"count": -1}, "count=-1"),
        ({"video_dir": "nowhere"}, "video_dir=nowhere"),
        ({"every_n_epochs": 0}, "every_n_epochs=0"),
    ],
)
def test_wrong_options_are_named(tmp_path, option, key):
    with pytest.raises(UserError, match=f"callbacks.pictures.{key}"):
        AttentionPictures(tmp_path, **option)


def see(callback, trainer, clips):
    """What the trainer does with a callback and one batch of a test."""
    method = Toy()
    callback.on_test_start(trainer, method)
    method.found = method.localize(batch := collate_clips(clips))
    callback.on_test_batch_end(trainer, method, None, batch, 0)
    callback.on_test_end(trainer, method)


@pytest.mark.parametrize(("rank", "written"), [(0, 9), (1, 0)])
def test_rank_0_draws_what_all_ranks_found(tmp_path, monkeypatch, rank, written):
    data, callback, trainer = Data(), AttentionPictures(tmp_path / "out", count=9), quiet_trainer()
    trainer.testing, trainer.datamodule = True, data
    others = {clip.video: (clip.labels, torch.full((6, 3, 3), 1 / 9)) for clip in data.clips["test"][5:]}
    monkeypatch.setattr(
        torch.distributed, "all_gather_object", lambda parts, mine: parts.__setitem__(slice(2), [mine, others])
    )
    monkeypatch.setattr(type(trainer), "world_size", 2)
    monkeypatch.setattr(type(trainer), "is_global_zero", rank == 0)
    see(callback, trainer, data.clips["test"][:5])
    assert len(list(tmp_path.glob("out/*.png"))) == written
