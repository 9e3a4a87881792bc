import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.batch import NO_EVENT
from avel.segments.points import default_ranges, pyramid_points
from avel.segments.targets import DenseTargets, assign_targets, decode_offsets, encode_offsets

CLASSES = 3
POINTS = pyramid_points(16, default_ranges(3))


def slow_hits(points, i, segments, labels, centre_radius=None):
    """Length, label and offsets of every event that point `i` is positive for, in annotation order."""
    reach = points.stride[i] * (centre_radius or torch.inf)
    for (start, end), label in zip(segments, labels.tolist(), strict=True):
        left, right = points.position[i] - start, end - points.position[i]
        inside = min(left, right) > 0 and points.lower[i] <= max(left, right) <= points.upper[i]
        central = abs(points.position[i] - (start + end) / 2) < reach
        if inside and central and label != NO_EVENT:
            yield end - start, label, torch.stack((left, right)) / points.stride[i]


def slow_assign_targets(
    points, segments, labels, *, num_classes, class_aware, same_class="shortest", centre_radius=None
):
    """The definition of `assign_targets`, point by point."""
    shape = len(segments), len(points.position)
    targets = torch.zeros(*shape, num_classes)
    offsets = torch.zeros(*shape, num_classes, 2) if class_aware else torch.zeros(*shape, 2)
    for video, i in itertools.product(*map(range, shape)):
        hits = list(slow_hits(points, i, segments[video], labels[video], centre_radius))
        shortest = min(hits, key=lambda hit: hit[0], default=None)
        for length, label, _ in hits:
            if class_aware:
                rivals = [hit for hit in hits if hit[1] == label]
                winner = rivals[-1] if same_class == "last" else min(rivals, key=lambda hit: hit[0])
                offsets[video, i, label] = winner[2]
            else:
                offsets[video, i] = shortest[2]
            targets[video, i, label] = max(targets[video, i, label], class_aware or length <= shortest[0] + 1e-3)
    return DenseTargets(targets, offsets)


def assert_same(actual, expected):
    torch.testing.assert_close(actual.labels, expected.labels, rtol=0, atol=0)
    torch.testing.assert_close(actual.offsets, expected.offsets, rtol=0, atol=0)


def one_video(*events):
    segments = torch.tensor([[event[:2] for event in events]], dtype=torch.float32)
    return segments, torch.tensor([[event[2] for event in events]])


# quarters make points on bounds, distances on the ends of ranges and equal lengths likely
moment = st.integers(-8, 80).map(lambda quarter: quarter / 4)
length = st.integers(0, 64).map(lambda quarter: quarter / 4)
event = st.tuples(moment, length, st.integers(0, CLASSES - 1))
coordinate = st.floats(-100, 1e5, width=32)


@st.composite
def batches(draw):
    """Segments (B, N, 2) and labels (B, N) of up to three videos, padded."""
    videos = draw(st.lists(st.lists(event, max_size=6), min_size=1, max_size=3))
    segments = torch.zeros(len(videos), max(map(len, videos)), 2)
    labels = torch.full(segments.shape[:2], NO_EVENT)
    for row, events in enumerate(videos):
        for column, (start, extent, label) in enumerate(events):
            segments[row, column] = torch.tensor([start, start + extent])
            labels[row, column] = label
    return segments, labels


@settings(max_examples=60, deadline=None)
@given(
    batches(),
    st.sampled_from([(True, "shortest"), (True, "last"), (False, "shortest")]),
    st.sampled_from([None, 0.5, 1.5, 100.0]),
)
def test_agrees_with_the_slow_twin(batch, rule, centre_radius):
    options = {"class_aware": rule[0], "same_class": rule[1], "centre_radius": centre_radius, "num_classes": CLASSES}
    assert_same(assign_targets(POINTS, *batch, **options), slow_assign_targets(POINTS, *batch, **options))


@settings(max_examples=30, deadline=None)
@given(batches(), st.booleans())
def test_videos_do_not_see_each_other(batch, class_aware):
    options = {"num_classes": CLASSES, "class_aware": class_aware}
    together = assign_targets(POINTS, *batch, **options)
    alone = [assign_targets(POINTS, s[None], c[None], **options) for s, c in zip(*batch, strict=True)]
    assert_same(together, DenseTargets(*(torch.cat([getattr(t, f) for t in alone]) for f in ("labels", "offsets"))))


@settings(max_examples=30, deadline=None)
@given(batches())
def test_positive_points_decode_to_an_event_of_their_class(batch):
    segments, labels = batch
    targets = assign_targets(POINTS, segments, labels, num_classes=CLASSES, class_aware=True)
    decoded = decode_offsets(targets.offsets, POINTS.position[:, None], POINTS.stride[:, None])
    for video, point, label in targets.labels.nonzero().tolist():
        of_class = segments[video][labels[video] == label].tolist()
        assert decoded[video, point, label].tolist() in of_class


@settings(max_examples=30)
@given(batches())
def test_positive_points_lie_in_the_shortest_event_that_has_them_and_carry_its_label(batch):
    segments, labels = batch
    targets = assign_targets(POINTS, segments, labels, num_classes=CLASSES, class_aware=False)
    decoded = decode_offsets(targets.offsets, POINTS.position, POINTS.stride)
    for video, point in targets.labels.any(dim=2).nonzero().tolist():
        start, end = decoded[video, point].tolist()
        assert start < POINTS.position[point] < end
        farthest = max(POINTS.position[point] - start, end - POINTS.position[point])
        assert POINTS.lower[point] <= farthest <= POINTS.upper[point]
        of_event = labels[video][(segments[video] == decoded[video, point]).all(dim=1) & (labels[video] != NO_EVENT)]
        assert len(of_event)
        assert targets.labels[video, point, of_event].all()


@settings(max_examples=30)
@given(st.lists(event, min_size=1, max_size=6, unique_by=lambda event: event[1]), st.randoms(), st.booleans())
def test_the_order_of_events_decides_between_equally_long_ones_only(events, random, class_aware):
    options = {"num_classes": CLASSES, "class_aware": class_aware}
    spans = [(start, start + extent, label) for start, extent, label in events]
    orders = spans, random.sample(spans, len(spans))
    assert_same(*(assign_targets(POINTS, *one_video(*order), **options) for order in orders))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(moment, length), min_size=1, max_size=8), st.integers(0, 5), moment)
def test_decode_inverts_encode(spans, level, time):
    segments = torch.tensor([(start, start + extent) for start, extent in spans])
    position, stride = torch.tensor(time), torch.tensor(2.0**level)
    offsets = encode_offsets(segments, position, stride)
    torch.testing.assert_close(decode_offsets(offsets, position, stride), segments, rtol=0, atol=0)


@given(st.tuples(coordinate, coordinate), coordinate, st.integers(0, 7))
def test_decode_inverts_encode_within_float_error(bounds, time, level):
    segments, stride = torch.tensor([sorted(bounds)]), torch.tensor(2.0**level)
    decoded = decode_offsets(encode_offsets(segments, torch.tensor(time), stride), torch.tensor(time), stride)
    largest = max(1, *map(abs, (*bounds, time)))
    torch.testing.assert_close(decoded, segments, rtol=0, atol=2 * largest * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize(("class_aware", "shape"), [(True, (2, 28, CLASSES, 2)), (False, (2, 28, 2))])
def test_videos_without_events_have_ordinary_shapes(class_aware, shape):
    segments, labels = torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.long)
    targets = assign_targets(POINTS, segments, labels, num_classes=CLASSES, class_aware=class_aware)
    assert targets.labels.shape == (2, 28, CLASSES)
    assert targets.offsets.shape == shape
    assert not targets.labels.any()
    assert not targets.offsets.any()


@pytest.mark.parametrize("class_aware", [True, False])
def test_what_stands_behind_the_last_event_does_not_matter(class_aware):
    segments, labels = one_video((2.0, 8.0, 1), (3.0, 7.0, NO_EVENT), (torch.nan, torch.inf, NO_EVENT))
    options = {"num_classes": CLASSES, "class_aware": class_aware}
    padded, alone = (assign_targets(POINTS, segments[:, :n], labels[:, :n], **options) for n in (3, 1))
    assert_same(padded, alone)


def test_bounds_of_an_event_are_outside_and_ends_of_a_range_inside():
    targets = assign_targets(POINTS, *one_video((2.0, 8.0, 1)), num_classes=CLASSES, class_aware=False)
    positive = targets.labels[0, :, 1].bool()
    # the farthest distances at 3…7 are 5 4 3 4 5: 4, 5 and 6 of level 0 are in range, 4 and 6 of level 1
    assert POINTS.position[:16][positive[:16]].tolist() == [4, 5, 6]
    assert POINTS.position[16:24][positive[16:24]].tolist() == [4, 6]
    assert targets.offsets[0, 18].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("radius", "positions"), [(None, [4, 5, 6, 4, 6]), (1.0, [5, 4, 6]), (0.5, [5])])
def test_only_points_near_the_middle_answer_for_an_event(radius, positions):
    """The middle is 5: a radius of 1 takes what is less than 1 away on level 0, less than 2 on level 1."""
    options = {"num_classes": CLASSES, "class_aware": False, "centre_radius": radius}
    targets = assign_targets(POINTS, *one_video((2.0, 8.0, 1)), **options)
    assert POINTS.position[targets.labels[0, :, 1].bool()].tolist() == positions


def test_events_of_one_class_at_one_point():
    video = one_video((1.0, 4.0, 0), (2.0, 4.0, 0), (0.0, 5.0, 0))
    shortest = assign_targets(POINTS, *video, num_classes=1, class_aware=True)
    last = assign_targets(POINTS, *video, num_classes=1, class_aware=True, same_class="last")
    assert shortest.offsets[0, 3, 0].tolist() == [1, 1]
    assert last.offsets[0, 3, 0].tolist() == [3, 2]
    torch.testing.assert_close(shortest.labels, last.labels)


def test_agnostic_points_carry_all_labels_of_events_as_short():
    video = one_video((1.0, 4.0, 0), (1.0, 4.0005, 2), (1.0, 4.5, 1), (1.0, 4.0, 0))
    targets = assign_targets(POINTS, *video, num_classes=CLASSES, class_aware=False)
    assert targets.labels[0, 2].tolist() == [1, 0, 1]
    assert targets.offsets[0, 2].tolist() == [1, 2]
