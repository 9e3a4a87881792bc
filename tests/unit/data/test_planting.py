from dataclasses import replace

import numpy as np
import pytest

from avel.batch import TimeGrid
from avel.data.annotations import VideoAnnotation
from avel.data.families import FAMILIES
from avel.data.planting import Planter, Span, coverage, signatures
from avel.data.synthetic_annotations import draw_database

CLASSES = 8
PLANTER = Planter(
    class_names=tuple(f"class {i}" for i in range(CLASSES)),
    visual_dim=32,
    audio_dim=32,
    grid=FAMILIES["one_peace"].grid,
    difficulty=0.5,
    seed=0,
)


def annotation(segments, labels, *, video="v", split="train", duration=30.0):
    segments = np.array(segments, dtype=np.float64).reshape(-1, 2)
    return VideoAnnotation(video, split, duration, segments, np.array(labels, dtype=np.int64))


@pytest.fixture(scope="module")
def videos():
    return [
        annotation(
            [row["segment"] for row in entry["annotations"]],
            [row["label_id"] for row in entry["annotations"]],
            video=video,
            split=entry["subset"],
            duration=entry["duration"],
        )
        for video, entry in draw_database(videos=150, classes=CLASSES, seed=3).items()
    ]


def test_coverage_is_the_share_of_the_window_that_sees_the_span():
    grid = TimeGrid(fps=16, stride=4, window=16)  # windows [0, 1], [0.25, 1.25], …
    spans = [Span(0, 1.0, 2.0), Span(0, 0.5, 0.6), Span(0, 0.0, 9.0)]
    np.testing.assert_allclose(
        coverage(grid, 9, spans).T,
        [[0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0], [1, 1, 1, 0, 0, 0, 0, 0, 0], [1] * 9],
        atol=1e-12,
    )


@pytest.mark.parametrize(("family", "steps"), [("one_peace", 117), ("i3d_vggish", 91)])
def test_features_have_the_length_that_the_grid_gives(family, steps):
    planter = replace(PLANTER, grid=FAMILIES[family].grid, audio_dim=5)
    visual, audio = planter.features(annotation([(1, 9)], [0]))
    assert (visual.shape, audio.shape) == ((steps, 32), (steps, 5))
    assert visual.dtype == audio.dtype == np.float32


def test_a_video_shorter_than_a_window_has_one_snippet():
    visual, audio = PLANTER.features(annotation([], [], duration=0.2))
    assert len(visual) == len(audio) == 1


def test_chance_is_decided_by_seed_and_id():
    video = annotation([(1, 9)], [0])
    first, again = PLANTER.features(video), PLANTER.features(video)
    others = [replace(PLANTER, seed=1).features(video), PLANTER.features(replace(video, video="w"))]
    for modality in (0, 1):
        assert np.array_equal(first[modality], again[modality])
        assert not any(np.array_equal(first[modality], other[modality]) for other in others)


def test_an_event_shows_in_both_modalities():
    visual, audio = replace(PLANTER, difficulty=0).features(annotation([(10, 20)], [3]))
    for name, features in (("visual", visual), ("audio", audio)):
        response = features @ signatures(PLANTER.class_names, name, 32, 0)[3]
        assert response[42:75].mean() > response[:36].mean() + 2


@pytest.mark.parametrize(("shown", "own", "other"), [("seen", 0, 1), ("heard", 1, 0)])
def test_events_may_be_only_seen_or_only_heard(shown, own, other):
    planter = replace(PLANTER, shown=shown, difficulty=0)
    video = annotation([(10, 20)], [3], duration=200.0)
    responses = [
        features @ signatures(PLANTER.class_names, name, 32, 0).T
        for name, features in zip(("visual", "audio"), planter.features(video), strict=True)
    ]
    assert responses[own][42:75, 3].mean() > responses[own][:36, 3].mean() + 2
    # elsewhere nothing of any class is in this modality, but much in the other one
    assert abs(responses[own][80:]).max() < 6 < responses[other][80:].max()
    assert responses[other][42:75, 3].mean() < 1


def test_no_distractor_makes_an_event_that_nobody_annotated(videos):
    rng = np.random.default_rng(0)
    for video in videos:
        events = [
            Span(label, *time) for label, time in zip(video.labels.tolist(), video.segments.tolist(), strict=True)
        ]
        seen = PLANTER._distractors(rng, video.duration, events, avoid=events)
        heard = PLANTER._distractors(rng, video.duration, events, avoid=events + seen)
        assert not any(a.meets(b) for a in heard for b in events + seen)
        assert not any(a.meets(b) for a in seen for b in events)


def probe(videos, difficulty):
    """Mean average precision over snippets of a linear probe (least squares) that sees, hears or does both."""
    planter = replace(PLANTER, difficulty=difficulty)
    splits = {"train": [], "test": []}
    for video in videos:
        if video.split in splits:
            features = np.concatenate(planter.features(video), axis=1)
            times = np.arange(len(features)) * planter.grid.hop + 0.5
            active = np.zeros((len(features), CLASSES))
            for (start, end), label in zip(video.segments, video.labels, strict=True):
                active[(times >= start) & (times <= end), label] = 1
            splits[video.split].append((features, active))
    (x, y), (x_test, y_test) = (map(np.concatenate, zip(*splits[name], strict=True)) for name in splits)
    result = {"chance": y_test.mean()}
    for name, channels in {"both": slice(0, 64), "visual": slice(0, 32), "audio": slice(32, 64)}.items():
        design, test = (np.pad(part[:, channels], ((0, 0), (0, 1)), constant_values=1) for part in (x, x_test))
        scores = test @ np.linalg.lstsq(design, y, rcond=None)[0]
        result[name] = np.mean([average_precision(y_test[:, k], scores[:, k]) for k in range(CLASSES)])
    return result


def average_precision(labels, scores):
    labels = labels[np.argsort(-scores)]
    precision = np.cumsum(labels) / np.arange(1, len(labels) + 1)
    return precision[labels == 1].mean()


def test_events_can_be_learned_but_only_with_eyes_and_ears(videos):
    easy, middle, hard = (probe(videos, difficulty) for difficulty in (0.2, 0.5, 0.8))
    for result in (easy, middle, hard):
        alone = (result["audio"], result["visual"])
        assert result["both"] > max(alone) + 0.1
        assert min(alone) > 3 * result["chance"]
    assert easy["both"] > middle["both"] > hard["both"] + 0.05
    assert 0.5 < middle["both"] < 0.95
