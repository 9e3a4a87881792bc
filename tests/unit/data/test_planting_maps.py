from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.planting_maps import AUDIO_LIMIT, BLOCK, STRANGERS, THRESHOLD, MapPlanter, Scene, patterns
from avel.data.synthetic_ave_annotations import draw_clips

VIDEOS, BACKGROUND, CLASSES = 120, 20, 6
CLIPS = draw_clips(videos=VIDEOS, classes=CLASSES, seed=0).with_background(BACKGROUND)
PLANTER = MapPlanter(annotations=CLIPS, visual_dim=32, audio_dim=16, difficulty=0.5, seed=0)
EVENT = CLIPS.snippet_labels() < CLASSES

ROWS = st.integers(0, VIDEOS + BACKGROUND - 1)
SEEDS = st.integers(0, 50)


def matches(scene: Scene) -> list[set[int]]:
    """Patterns that are seen and heard, second by second."""
    return [
        set(scene.looks[scene.visible[:, t]].tolist()) & set(scene.sounds[scene.audible[:, t]].tolist())
        for t in range(len(scene.event))
    ]


@given(ROWS, SEEDS, st.sampled_from([0.0, 1.0]))
def test_what_is_seen_is_heard_in_events_and_nowhere_else(row, seed, difficulty):
    scene = replace(PLANTER, seed=seed, difficulty=difficulty).scene(row)
    assert scene.event.tolist() == EVENT[row].tolist()
    assert matches(scene) == [{CLIPS.classes[row]} if event else set() for event in EVENT[row]]


@given(ROWS, SEEDS)
def test_two_objects_have_places_of_their_own_and_stay_whole(row, seed):
    places = replace(PLANTER, seed=seed).scene(row).places
    assert not (places[0] & places[1]).any()
    assert (places.sum(axis=(2, 3)) == BLOCK**2).all()
    height, width = places.any(axis=3).sum(axis=2), places.any(axis=2).sum(axis=2)
    assert (height == BLOCK).all()
    assert (width == BLOCK).all()


@given(st.integers(0, VIDEOS - 1), SEEDS)
def test_a_silent_object_of_another_class_is_seen_all_the_time(row, seed):
    scene = replace(PLANTER, seed=seed).scene(row)
    assert scene.visible[1].all()
    assert scene.looks[1] < CLASSES
    assert scene.looks[1] not in {scene.looks[0], *scene.sounds}


@given(st.integers(0, VIDEOS - 1), SEEDS)
def test_a_gap_is_the_same_throughout(row, seed):
    scene = replace(PLANTER, seed=seed).scene(row)
    start, end = CLIPS.segments[row]
    for gap in (slice(0, start), slice(end, None)):
        shown = np.stack([scene.visible[0], *scene.audible])[:, gap]
        assert (shown == shown[:, :1]).all()


def test_gaps_are_of_all_kinds():
    kinds = set()
    for row in range(VIDEOS):
        scene = PLANTER.scene(row)
        outside = ~scene.event
        kinds |= set(zip(scene.visible[0, outside], *scene.audible[:, outside], strict=True))
    # seen or not; nothing, the object, or something else is heard; never seen and heard
    assert kinds >= {(True, False, False), (True, False, True), (False, True, False), (False, False, False)}
    assert not {(True, True, False), (True, True, True)} & kinds


def test_places_are_those_of_the_object_in_event_seconds():
    for row in range(VIDEOS + BACKGROUND):
        place = PLANTER.place(row)
        assert place.dtype == np.uint8
        assert place.sum(axis=(1, 2)).tolist() == (BLOCK**2 * EVENT[row]).tolist()
    drifts = [bool(np.ptp(PLANTER.scene(row).places[0].argmax(axis=1), axis=0).any()) for row in range(VIDEOS)]
    assert 0.2 < np.mean(drifts) < 0.8


def test_an_event_of_length_0_is_never_seen_and_heard():
    segments = CLIPS.segments.copy()
    segments[0] = 0
    scene = replace(PLANTER, annotations=replace(CLIPS, segments=segments)).scene(0)
    assert not scene.event.any()
    assert matches(scene) == [set()] * 10


def test_features_are_activations():
    visual = np.stack([PLANTER.visual(row) for row in range(40)])
    audio = np.stack([PLANTER.audio(row) for row in range(40)])
    assert (visual.shape, audio.shape) == ((40, 10, 7, 7, 32), (40, 10, 16))
    assert visual.dtype == audio.dtype == np.float32
    assert min(visual.min(), audio.min()) == 0
    assert audio.max() <= AUDIO_LIMIT
    assert 0.4 < (visual == 0).mean() < 0.8
    assert 0.4 < (audio == 0).mean() < 0.8


def test_chance_is_decided_by_seed_and_id():
    alone = replace(CLIPS, videos=("moved", *CLIPS.videos[1:]))
    for make in (MapPlanter.visual, MapPlanter.audio):
        assert np.array_equal(make(PLANTER, 0), make(PLANTER, 0))
        assert not np.array_equal(make(PLANTER, 0), make(replace(PLANTER, seed=1), 0))
        assert not np.array_equal(make(PLANTER, 0), make(replace(PLANTER, annotations=alone), 0))


@pytest.mark.parametrize("width", [1, 3, 16, 128])
def test_patterns_differ_as_far_as_they_can(width):
    basis = patterns(CLIPS.class_names, "audio", width, 0)
    assert basis.shape == (CLASSES + STRANGERS, width)
    assert ((basis == 0) | (basis >= 0.5)).all()
    assert len({tuple(row) for row in basis}) == len(basis)
    if width >= 16:
        units = basis / np.linalg.norm(basis, axis=1, keepdims=True)
        assert (units @ units.T - np.eye(len(basis))).max() < 0.8


def nearest(features, basis):
    """Class whose pattern, as it shows, is most like each feature vector."""
    shown = np.maximum(basis - THRESHOLD / PLANTER.contrast, 0)
    directions = shown - shown.mean(axis=0)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return ((features - features.mean(axis=0)) @ directions.T).argmax(axis=1)


@pytest.mark.parametrize("difficulty", [0, 0.3])
def test_who_looks_where_the_sound_is_knows_the_class(difficulty):
    planter = replace(PLANTER, difficulty=difficulty)
    maps = np.concatenate([planter.visual(row) for row in range(VIDEOS)])
    places = np.concatenate([planter.place(row) for row in range(VIDEOS)])
    labels = CLIPS.snippet_labels()[:VIDEOS].ravel()
    event = labels < CLASSES
    basis = patterns(CLIPS.class_names, "visual", 32, 0)[:CLASSES]
    right = {}
    for name, weights in (("place", places), ("everywhere", np.ones_like(places))):
        looked = (maps * weights[..., None]).sum(axis=(1, 2))[event] / weights.sum(axis=(1, 2))[event, None]
        right[name] = (nearest(looked, basis) == labels[event]).mean()
    assert right["place"] > 0.99
    assert right["everywhere"] < 0.65  # the silent object is as clear


def test_who_listens_knows_the_class_of_an_event_but_not_when_it_is():
    planter = replace(PLANTER, difficulty=0)
    audio = np.concatenate([planter.audio(row) for row in range(VIDEOS)])
    labels = CLIPS.snippet_labels()[:VIDEOS].ravel()
    event = labels < CLASSES
    basis = patterns(CLIPS.class_names, "audio", 16, 0)
    heard = nearest(audio, basis)
    assert (heard == labels)[event].mean() > 0.98
    classes = np.repeat(CLIPS.classes[:VIDEOS], 10)
    assert 0.2 < (heard == classes)[~event].mean() < 0.7


def test_difficulty_hides_the_patterns():
    clear, hard = (replace(PLANTER, difficulty=difficulty) for difficulty in (0, 1))
    assert clear.visual(0).max() > 2 * hard.visual(0).max()
    assert clear.audio(0).sum() > hard.audio(0).sum()
