"""Whatever is wrong with a file: it has features or a message that names it, and the others go on."""

import json
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.data.synthetic_mp4 import write_mp4
from avel.extraction.attempt import attempt
from avel.extraction.extract import extract
from tests.unit.extraction.test_extract import Mean
from tests.unit.extraction.videos import SECOND, write_sound, write_video

ROOT = Path(__file__).parents[3]
TIMES = [k / 10 for k in range(15)]
LONGEST = 3700
"""Seconds that a damaged time stamp may add: from an hour on a gap is refused."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One small file of each kind, by ending."""
    folder = tmp_path_factory.mktemp("whole")
    tone = np.sin(np.arange(16000) / 5, dtype=np.float32)[None] / 3
    pictures = [np.full((48, 64, 3), 9 * k, np.uint8) for k in range(15)]
    write_mp4(folder / "a.mp4", pictures, Fraction(10), tone, 16000)
    write_video(folder / "a.mkv", TIMES, options={"bf": "3", "b_strategy": "0"}, sound_from=0.0)
    write_video(folder / "a.mov", TIMES, sound_from=0.3)
    write_video(folder / "a.ts", TIMES)
    write_video(folder / "a.webm", TIMES, codec="libvpx", options={"deadline": "realtime"})
    write_sound(folder / "a.ogg", tone, rate=16000, codec="libopus")
    write_sound(folder / "a.wav", SECOND)
    return {path.suffix: path.read_bytes() for path in sorted(folder.iterdir())}


shares = st.floats(0, 1, exclude_max=True)
written = st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f"]) | st.binary(min_size=1, max_size=4)
edits = st.tuples(shares, written)
"""Where (as a share of a header or of a file), and what is written there."""


def damaged(content, changes, header, kept):
    """Write over some bytes, all of them near one end or anywhere, and cut the file off."""
    content = bytearray(content)
    reach = min(1500, len(content)) if header else len(content)
    offset = len(content) - reach if header == "end" else 0
    for place, change in changes:
        start = offset + int(place * reach)
        content[start : start + len(change)] = change
    return bytes(content[: int(kept * len(content))])


damages = st.fixed_dictionaries(
    {
        "changes": st.lists(edits, min_size=1, max_size=12),
        "header": st.sampled_from(["", "begin", "end"]),
        "kept": st.just(1.0) | shares,
    }
)


@given(ending=st.sampled_from([".mp4", ".mkv", ".mov", ".ts", ".webm", ".ogg", ".wav"]), damage=damages)
@settings(max_examples=60)
def test_any_damage_gives_features_or_a_message(whole, tmp_path_factory, ending, damage):
    path = tmp_path_factory.mktemp("damaged") / f"a{ending}"
    path.write_bytes(damaged(whole[ending], **damage))
    made = attempt(path, lambda: extract(path, Mean(), Mean(rate=8000.0)))
    assert (made.result is None) == made.error.startswith(f"{path}: ")
    assert "Error: " not in made.error  # what nobody thought of
    assert all(str(path) in warning for warning in made.warnings)
    if made.result:
        assert made.result.visual.shape == made.result.audio.shape
        assert np.isfinite(made.result.visual).all()
        assert np.isfinite(made.result.audio).all()
        assert made.result.duration < LONGEST


LIES = {
    "the film's header": (b"moov", b"\xff\xff\xff\xf0"),
    "a track": (b"trak", b"\x7f\xff\xff\xff"),
    "the samples": (b"mdat", b"\xff\xff\xff\xff"),
    "nothing": (b"moov", b"\x00\x00\x00\x08"),
}


@pytest.mark.parametrize(("box", "size"), LIES.values(), ids=LIES)
def test_a_box_of_a_wrong_size(whole, tmp_path, box, size):
    place = whole[".mp4"].index(box) - 4
    path = tmp_path / "a.mp4"
    path.write_bytes(whole[".mp4"][:place] + size + whole[".mp4"][place + 4 :])
    made = attempt(path, lambda: extract(path, Mean(), Mean(rate=8000.0)))
    assert (made.result is None) == made.error.startswith(f"{path}: ")
    assert "Error: " not in made.error


def limit():
    """What asks for very much memory fails, what hangs ends: 6 GiB, 20 minutes of work."""
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (1200, 1200))


@pytest.mark.slow
def test_a_batch_of_damaged_files(whole, tmp_path):
    rng = np.random.default_rng(0)
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    for ending, content in whole.items():
        (videos / f"whole {ending[1:]}{ending}").write_bytes(content)
        for number in range(43):
            count = int(rng.choice([1, 2, 4, 16]))
            written = [b"\0\0\0\0", b"\xff\xff\xff\xff", rng.bytes(1)]
            changes = [(rng.random(), written[rng.integers(3)]) for _ in range(count)]
            header = str(rng.choice(["", "begin", "end"]))
            kept = rng.random() if number % 5 == 0 else 1.0
            (videos / f"{ending[1:]} {number}{ending}").write_bytes(damaged(content, changes, header, kept))
    command = [sys.executable, "scripts/extract_features.py", videos, out]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    names = {path.stem for path in videos.iterdir()}
    assert manifest["files"].keys() | manifest["failed"].keys() == names
    assert {f"whole {ending[1:]}" for ending in whole} <= manifest["files"].keys()
    features = {f"{name}_{modality}.npy" for name in manifest["files"] for modality in ("visual", "audio")}
    assert {path.name for path in out.iterdir()} == features | {"manifest.json"}
    for name in features:
        assert np.isfinite(np.load(out / name)).all(), name
    messages = [record["error"] for record in manifest["failed"].values()]
    assert 50 < len(messages) < 250
    assert [message for message in messages if "Error: " in message] == []
