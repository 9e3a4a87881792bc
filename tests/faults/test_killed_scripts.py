"""Commands that write many files and are killed: the same command does what is left, and nothing twice."""

import json

import pytest

from tests.faults.killing import Killing, assert_same_files, died

pytestmark = pytest.mark.slow

ENDINGS = ("_visual.npy", "_audio.npy")


def kill(run, times, finished=lambda folder: ()):
    """Kill and go on; what was finished stays as it is. Return how many finished files were met in all."""
    before, kept = {}, 0
    for ended in run.kill(times, seed=0):
        now = {path: path.stat().st_mtime_ns for path in finished(run.folder)}
        assert before.items() <= now.items()
        kept += len(before)
        before = {} if ended else now
        if ended:
            assert_same_files(run.folder, run.whole)
    assert run.met.total() == times
    return kept


def kill_at(run, *moments):
    """Kill at moments, each time from the beginning, and go on."""
    for moment in moments:
        assert died(run.run(moment)), moment
        done = run.run()
        assert done.returncode == 0 or run.refusal in done.stderr, done.stdout + done.stderr
        assert_same_files(run.folder, run.whole)
        run.begin_anew()


def extracted(folder):
    """The features of videos that are on record."""
    manifest = folder / "manifest.json"
    videos = {path.stem for path in folder.glob("records/[!.]*.json")}
    videos |= json.loads(manifest.read_text())["files"].keys() if manifest.exists() else set()
    return [folder / f"{video}{ending}" for video in videos for ending in ENDINGS]


@pytest.mark.parametrize(("devices", "times"), [(1, 9), (2, 2)])
def test_extraction(python, clips, tmp_path, told, devices, times):
    command = ("scripts/extract_features.py", clips / "videos", tmp_path / "out", f"trainer.devices={devices}")
    run = Killing(python, command, tmp_path / "out", kinds=("event", "torn", "after")[2 * (devices - 1) :])
    kept = kill(run, times, extracted)
    told(f"extraction by {devices}: SIGKILL at {run.struck}", f"the same bytes, {kept} finished files kept")


def test_a_rank_of_an_extraction_that_is_killed_ends_the_other(python, clips, tmp_path, told):
    command = ("scripts/extract_features.py", clips / "videos", tmp_path / "out", "trainer.devices=2")
    run = Killing(python, command, tmp_path / "out")
    done = run.run(f"child:{len(run.events) // 2}")
    assert done.returncode == 2
    assert "error: another process of this run has failed" in done.stderr
    assert "Traceback" not in done.stderr
    run.finish()
    assert_same_files(run.folder, run.whole)
    told("SIGKILL of rank 1 of an extraction by 2", "the other said so and ended; the same bytes")


def test_packing_what_was_extracted(python, clips, tmp_path, told):
    command = ("scripts/extract_features.py", clips / "videos", tmp_path / "out", "packed=true")
    run = Killing(python, command, tmp_path / "out")
    kill_at(run, run.within("features.h5"), run.before("features.h5"), run.after("features.h5"))
    kill(run, 6)
    told(f"extraction with packing: SIGKILL at {run.struck}", "the same bytes")


def test_packing_a_folder(python, features, tmp_path, told):
    command = ("scripts/pack_features.py", features, tmp_path / "out" / "packed.h5")
    run = Killing(python, command, tmp_path / "out", refusal="is there already")
    kill(run, 6)
    told(f"packing: SIGKILL at {run.struck}", "the same bytes")


def test_localization(python, clips, checkpoint, tmp_path, told):
    command = ("scripts/localize.py", clips / "videos", "--checkpoint", checkpoint, "--out", tmp_path / "out")
    run = Killing(python, command, tmp_path / "out", refusal="is there already")
    for number in (1, 3, 5):
        assert died(run.run(run.before(f"clip{number:02d}.json")))
        assert f"{number} of 6 videos w" in run.finish().stdout
        assert_same_files(run.folder, run.whole)
        run.begin_anew()
    kill_at(run, run.before("clip02.html"), *map(run.before, ("events.csv", "events.json")), run.after("events.json"))
    run.met.clear()
    kill(run, 6)
    told(f"localization: SIGKILL at 7 chosen and {run.struck}", "the same bytes, nothing localized twice")


def test_synthetic_data(python, tmp_path, told):
    options = ("--videos", 12, "--classes", 3, "--visual-dim", 6, "--audio-dim", 4)
    command = ("scripts/make_synthetic.py", "unav100", "--out", tmp_path / "out", *options)
    run = Killing(python, command, tmp_path / "out")
    kept = kill(run, 6, lambda folder: [*folder.rglob("av_features/[!.]*_audio.npy")])
    told(f"synthetic features: SIGKILL at {run.struck}", f"the same bytes, {kept} finished files kept")


def test_rendered_clips(python, tmp_path, told):
    command = ("scripts/make_clips.py", tmp_path / "out", "--videos", 8, "--classes", 3)
    run = Killing(python, command, tmp_path / "out", kinds=("after", "group"))
    kept = kill(run, 4, lambda folder: [*folder.rglob("[!.]*.mp4")])
    told(f"clips, by 2 workers: SIGKILL at {run.struck}", f"the same bytes, {kept} finished files kept")
