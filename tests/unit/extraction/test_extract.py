from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.errors import UserError
from avel.extraction.encoder import count_steps, step_spans
from avel.extraction.extract import encode_blocks, extract
from tests.unit.extraction.videos import SECOND, STEP, write_sound, write_video


@dataclass(frozen=True)
class Mean:
    """Mean of the samples of a step and of those of its context."""

    window: float = 0.4
    hop: float = 0.2
    rate: float = 10.0
    context: float = 0.0
    name: ClassVar[str] = "mean"
    shape: ClassVar[tuple[int, ...]] = (2,)

    def settings(self):
        return {}

    def size(self, width, height):
        return width, height

    def preprocess(self, samples):
        return samples.reshape(len(samples), -1).mean(axis=1)

    def encode(self, samples, spans):
        margin = int(self.context * self.rate)
        around = [samples[max(first - margin, 0) : end + margin].mean() for first, end in spans]
        return np.stack([[samples[first:end].mean() for first, end in spans], around], axis=1).astype(np.float32)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    chunk=st.floats(0.01, 5),
    hop=st.floats(0.03, 1),
    window=st.floats(0.03, 1),
    context=st.floats(0, 2),
)
def test_chunks_do_not_change_features(lengths, chunk, hop, window, context):
    encoder = Mean(window=window, hop=hop, context=context)
    samples = np.random.default_rng(0).normal(size=sum(lengths))
    spans = step_spans(encoder, count_steps(len(samples) / encoder.rate, encoder))
    samples = np.append(samples, np.zeros(max(int(spans[-1, 1]) - len(samples), 0)))
    blocks = iter(np.split(samples, np.cumsum(lengths)[:-1]))
    features = encode_blocks(encoder, blocks, spans, chunk=chunk)
    assert np.allclose(features, encoder.encode(samples, spans), atol=1e-6)


@given(duration=st.floats(0.01, 100), hop=st.floats(0.05, 2), window=st.floats(0.05, 2))
def test_a_step_for_every_window_with_its_middle_in_the_file(duration, hop, window):
    steps = count_steps(duration, Mean(window=window, hop=hop))
    assert steps == max(sum(t * hop + window / 2 < duration - 1e-5 * hop for t in range(steps + 2)), 1)


def test_whole_seconds_have_whole_numbers_of_steps():
    assert count_steps(10.1, Mean(window=0.2, hop=0.1)) == 100
    assert step_spans(Mean(), 3).tolist() == [[0, 4], [2, 6], [4, 8]]


def write_both(path):
    """A frame every 0.1 s, brighter every time, and a second of sound in the last of two."""
    write_video(path, [index / 10 for index in range(20)], sound=SECOND + 0.5, sound_from=1.0)


def test_picture_and_sound_of_the_same_time(tmp_path):
    write_both(tmp_path / "a.mkv")
    shares = []
    features = extract(tmp_path / "a.mkv", Mean(), Mean(rate=1000), progress=shares.append, chunk=0.5)
    assert features.duration == pytest.approx(2, abs=0.002)
    assert features.visual.shape == features.audio.shape == (9, 2)
    assert np.allclose(features.visual[:, 0], [STEP * (2 * t + 1.5) for t in range(9)], atol=2 + STEP / 2)
    assert np.allclose(features.audio[:, 0], [0, 0, 0, 0, 0.25, 0.5, 0.5, 0.5, 0.5], atol=0.02)
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(("has_video", "has_audio"), [(True, False), (False, True)])
def test_one_modality_alone(tmp_path, has_video, has_audio):
    path = tmp_path / "a.mkv"
    write_video(path, [0.0, 0.1, 0.9]) if has_video else write_sound(path, SECOND + 0.5)
    with pytest.warns(UserWarning, match=f"a.mkv: has no {'sound' if has_video else 'picture'}.*mean are zero"):
        features = extract(path, Mean(), Mean(rate=1000))
    assert features.visual.shape == features.audio.shape == (4, 2)
    assert features.visual.any() == has_video
    assert features.audio.any() == has_audio


def test_neither(tmp_path):
    (tmp_path / "a.mkv").write_text("nothing")
    with pytest.raises(UserError, match=r"a\.mkv"):
        extract(tmp_path / "a.mkv", Mean(), Mean())


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_features_that_are_no_numbers_are_refused(tmp_path):
    class Half(Mean):
        def encode(self, samples, spans):
            return (1e6 * super().encode(samples, spans)).astype(np.float16).astype(np.float32)

    write_both(tmp_path / "a.mkv")
    with pytest.raises(UserError, match=r"a\.mkv: features of mean are NaN or infinite: .* its precision"):
        extract(tmp_path / "a.mkv", Half(), Mean(rate=1000))


def test_encoders_must_go_together(tmp_path):
    with pytest.raises(UserError, match=r"every 0\.2 s of 0\.4 s and every 0\.3 s of 0\.4 s"):
        extract(tmp_path / "a.mkv", Mean(), Mean(hop=0.3))
