import json
import os
import shutil
import signal
from dataclasses import dataclass
from multiprocessing import get_context

import av
import numpy as np
import pytest
from lightning import Trainer
from rich.console import Console

from avel.errors import UserError
from avel.extraction.job import extract_folder
from avel.extraction.manifest import read_manifest
from avel.extraction.pair import EncoderPair
from avel.extraction.progress import ExtractionBar
from tests.unit.extraction.test_extract import Mean
from tests.unit.extraction.videos import SECOND, write_sound, write_video

TIMES = [k / 10 for k in range(12)]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three good files and one of each kind of trouble."""
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a", "b", "c"):
        write_video(folder / f"{name}.mkv", TIMES, sound_from=0.0)
    return folder


@pytest.fixture(scope="module")
def trouble(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trouble")
    (folder / "deep").mkdir()
    shutil.copy(clips / "a.mkv", folder / "deep" / "good.mkv")
    write_video(folder / "silent.mkv", TIMES)
    write_sound(folder / "dark.wav", SECOND)
    whole = (clips / "a.mkv").read_bytes()
    (folder / "truncated.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video\n" * 99)
    (folder / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    with av.open(str(folder / "frameless.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    (folder / "header.mp4").write_bytes(
        b"\x00\x00\x00\x20ftypisom\xff\xff\xff\xff" + b"\xff\xff\xff\xf0moov" + b"\xff" * 99
    )
    (folder / "nowhere.mp4").symlink_to(folder / "gone.mp4")
    return folder


def encoders(**options):
    return EncoderPair(Mean(**options), Mean(rate=8000.0, **options))


def trainer(**options):
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return Trainer(accelerator="cpu", devices=1, enable_model_summary=False, **quiet, **options)


def extract(source, out, pair=None, **options):
    return extract_folder(source, out, pair or encoders(), trainer(), **options)


def contents(folder):
    files = read_manifest(folder).files
    arrays = {path.name: np.load(path) for path in folder.glob("*.npy")}
    return files, arrays


def assert_same(one, other):
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    for name, array in one[1].items():
        assert np.array_equal(array, other[1][name]), name


def test_every_file_gets_features_or_a_message_and_the_batch_goes_on(trouble, tmp_path):
    summary = extract(trouble, tmp_path)
    assert summary.failed.keys() == {"empty", "text", "noise", "frameless", "header"}
    assert all(f"{video}." in message for video, message in summary.failed.items())
    assert (summary.present, summary.extracted) == (0, 4)
    assert summary.warned.keys() >= {"silent", "dark", "truncated"}
    made = {f"{video}_{kind}.npy" for video in ("good", "silent", "dark", "truncated") for kind in ("visual", "audio")}
    assert {path.name for path in tmp_path.iterdir()} == made | {"manifest.json"}
    files, arrays = contents(tmp_path)
    assert files["good"].source == "deep/good.mkv"
    assert (files["good"].duration, files["good"].steps) == (1.2, 5)
    assert not arrays["silent_audio.npy"].any()
    assert not arrays["dark_visual.npy"].any()
    assert arrays["good_visual.npy"].dtype == np.float32
    assert arrays["good_visual.npy"].shape == (5, 2)
    lines = list(summary.lines())
    assert [line for line in lines if line.startswith("Without features: ") and "text.mp4" in line]
    assert lines[-1] == "Extracted features of 4 files, 5 have none"


def test_nothing_is_done_twice(clips, tmp_path):
    assert extract(clips, tmp_path).extracted == 3
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}
    summary = extract(clips, tmp_path)
    assert (summary.present, summary.extracted, summary.failed) == (3, 0, {})
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npy")}


def test_another_encoder_is_refused_or_replaces(clips, tmp_path):
    extract(clips, tmp_path)
    with pytest.raises(UserError, match=r"stride: 2.0 \(there\), 4.0 \(now\)"):
        extract(clips, tmp_path, encoders(hop=0.4))
    assert extract(clips, tmp_path, encoders(hop=0.4), overwrite=True).extracted == 3
    assert json.loads((tmp_path / "manifest.json").read_text())["stride"] == 4


def test_encoders_that_do_not_fit_together_are_refused_before_anything_is_written(clips, tmp_path):
    with pytest.raises(UserError, match="different times"):
        extract(clips, tmp_path / "out", EncoderPair(Mean(), Mean(hop=0.3)))
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True)
class Choosy(Mean):
    def encode(self, samples, spans):
        if len(spans) > 5:
            raise ValueError("too long for me")
        return super().encode(samples, spans)


def test_what_nobody_thought_of_stops_nothing(clips, tmp_path):
    folder = shutil.copytree(clips, tmp_path / "clips")
    write_video(folder / "long.mkv", [k / 10 for k in range(20)], sound_from=0.0)
    summary = extract(folder, tmp_path / "out", EncoderPair(Choosy(), Mean(rate=8000.0)))
    assert summary.failed == {"long": f"{folder / 'long.mkv'}: ValueError: too long for me"}
    assert summary.extracted == 3


def killed_at(replacement, source, out):
    """Extract until the N-th file is about to appear; then die as one does when the power fails."""
    appear, left = os.replace, iter(range(replacement))

    def replace(*paths):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        appear(*paths)

    os.replace = replace
    extract(source, out)


def test_a_killed_run_goes_on_where_it_was(clips, tmp_path):
    extract(clips, tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    for replacement in range(11):  # manifest, 3 x (visual, audio, record), manifest
        out = tmp_path / f"killed {replacement}"
        process = get_context("fork").Process(target=killed_at, args=(replacement, clips, out))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        complete = max(replacement - 1, 0) // 3
        summary = extract(clips, out)
        assert (summary.present, summary.extracted) == (complete, 3 - complete)
        assert_same(contents(out), whole)
        assert {path.name for path in out.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}


def test_the_bar_goes_from_nothing_to_all(clips, tmp_path):
    bar = ExtractionBar()
    extract_folder(clips, tmp_path, encoders(), trainer(callbacks=[bar]))
    (task,) = bar.bar.progress.tasks
    assert (task.completed, task.fields["files"]) == (task.total, "3/3 files")
    assert Console().render_lines(bar.bar.progress.get_renderable())


def test_a_hidden_file_that_is_given_by_name_has_a_record(clips, tmp_path):
    hidden = tmp_path / ".hidden.mkv"
    hidden.write_bytes(next(clips.glob("*.mkv")).read_bytes())
    assert extract(hidden, tmp_path / "out").extracted == 1
    assert extract(hidden, tmp_path / "out").present == 1
