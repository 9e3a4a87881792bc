import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics.assignment import matches
from avel.metrics.functional import dense_average_precision
from avel.metrics.rules import DEFAULT_RULES, EvaluationRules, clean_events
from avel.metrics.tables import Events, Predictions
from tests.unit.metrics import slow

THRESHOLDS = [0.1, 0.30000000000000004, 0.5, 1.0]
NUM_CLASSES = 4
rules = st.builds(
    EvaluationRules,
    duplicate_tolerance=st.sampled_from([None, 1e-3, 1.0]),
    min_event_length=st.sampled_from([0.0, 1e-9, 1.5]),
    empty_pairs=st.sampled_from(["miss", "match"]),
    absent_classes=st.sampled_from(["ignore", "collide"]),
    ties=st.sampled_from(["first", "later"]),
)
# few videos, classes, instants and scores, so that ties, duplicates, contests and empty segments are common
start, length = st.integers(0, 6), st.integers(0, 4)
video, label, score = st.integers(0, 2), st.integers(0, NUM_CLASSES - 1), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.9])
events = st.builds(lambda v, s, n, c: slow.Event(v, float(s), float(s + n), c), video, start, length, label)
predictions = st.builds(
    lambda v, s, n, c, p: slow.Prediction(v, float(s), float(s + n), c, p), video, start, length, label, score
)


def table(cls, rows):
    videos, starts, ends, labels, *scores = zip(*rows, strict=True) if rows else [()] * (len(cls._fields) + 1)
    segments = torch.tensor([starts, ends], dtype=torch.float64).T
    scores = [torch.tensor(column, dtype=torch.float64) for column in scores]
    return cls(torch.tensor(videos).long(), segments, torch.tensor(labels).long(), *scores)


def evaluate(prediction_rows, event_rows, rules=DEFAULT_RULES, recall_k=(1, 2)):
    return dense_average_precision(
        table(Predictions, prediction_rows),
        table(Events, event_rows),
        num_classes=NUM_CLASSES,
        tiou_thresholds=torch.tensor(THRESHOLDS, dtype=torch.float64),
        recall_k=recall_k,
        rules=rules,
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(predictions, max_size=40), st.lists(events, max_size=20), rules)
def test_equals_the_plain_loops(prediction_rows, event_rows, rules):
    actual = evaluate(prediction_rows, event_rows, rules)
    ap, recall, counts = slow.evaluate(
        prediction_rows,
        event_rows,
        num_classes=NUM_CLASSES,
        thresholds=THRESHOLDS,
        recall_k=(1, 2),
        rules=rules,
    )
    assert actual.num_events.tolist() == counts
    expected = torch.tensor(ap, dtype=torch.float64), torch.tensor(recall, dtype=torch.float64)
    torch.testing.assert_close((actual.ap, actual.recall), expected, rtol=0, atol=1e-12, equal_nan=True)


@settings(max_examples=25)
@given(st.lists(predictions, max_size=25), st.lists(events, min_size=1, max_size=12))
def test_ap_and_recall_are_shares_and_fall_with_the_threshold(prediction_rows, event_rows):
    ap, recall, num_events = evaluate(prediction_rows, event_rows)
    ap, recall = ap[num_events > 0], recall[..., num_events > 0]
    assert ((ap >= 0) & (ap <= 1 + 1e-12)).all()
    assert ((recall >= 0) & (recall <= 1)).all()
    assert (ap.diff(dim=1) <= 1e-12).all()
    assert (recall.diff(dim=0) <= 0).all()
    assert (recall.diff(dim=1) >= 0).all()


@settings(max_examples=25)
@given(st.lists(predictions, max_size=25), st.lists(events, max_size=12), st.randoms())
def test_without_ties_the_order_of_predictions_changes_no_digit(prediction_rows, event_rows, random):
    scores = random.sample(range(100), len(prediction_rows))
    rows = [row._replace(score=score / 100) for row, score in zip(prediction_rows, scores, strict=True)]
    shuffled = random.sample(rows, len(rows))
    expected = evaluate(rows, event_rows)
    torch.testing.assert_close(evaluate(shuffled, event_rows), expected, rtol=0, atol=0, equal_nan=True)


@settings(max_examples=25)
@given(st.lists(predictions, max_size=25), st.lists(events, max_size=12), predictions)
def test_a_false_positive_never_raises_ap_and_is_no_matter_of_other_classes(prediction_rows, event_rows, wrong):
    wrong = wrong._replace(start=100.0, end=101.0)
    before, after = (evaluate(rows, event_rows).ap for rows in (prediction_rows, [*prediction_rows, wrong]))
    assert not (after > before + 1e-12).any()
    others = torch.arange(NUM_CLASSES) != wrong.label
    torch.testing.assert_close(after[others], before[others], rtol=0, atol=0, equal_nan=True)


@settings(max_examples=15)
@given(st.lists(predictions, max_size=25), st.lists(events, min_size=1, max_size=12), st.sampled_from(range(4)))
def test_to_find_a_missed_event_surest_of_all_gains_at_least_its_share(prediction_rows, event_rows, column):
    threshold = torch.tensor(THRESHOLDS[column : column + 1], dtype=torch.float64)
    counted = clean_events(table(Events, event_rows), num_classes=NUM_CLASSES, rules=DEFAULT_RULES)
    guesses = table(Predictions, prediction_rows)
    _, [(_, found)] = matches(guesses, counted, num_classes=NUM_CLASSES, tiou_thresholds=threshold)
    before, _, num_events = evaluate(prediction_rows, event_rows)
    for row in set(range(len(counted.labels))) - set(found.tolist()):
        (start, end), label = counted.segments[row].tolist(), int(counted.labels[row])
        if start < end:
            surest = slow.Prediction(int(counted.videos[row]), start, end, label, 1.0)
            after = evaluate([*prediction_rows, surest], event_rows).ap
            assert after[label, column] >= before[label, column] + 1 / int(num_events[label]) - 1e-12


@settings(max_examples=25)
@given(
    st.lists(events.filter(lambda event: event.start < event.end), min_size=1, max_size=12, unique=True), st.randoms()
)
def test_perfect_predictions_score_one_at_every_threshold(event_rows, random):
    perfect = [slow.Prediction(*event, score=random.random()) for event in event_rows]
    ap, recall, num_events = evaluate(random.sample(perfect, len(perfect)), event_rows)
    assert (ap[num_events > 0] == 1).all()
    assert (recall[..., num_events > 0] == 1).all()


def test_a_contested_event_goes_to_the_better_score_and_the_other_takes_its_next_best():
    truth = [slow.Event(0, 0.0, 10.0, 0), slow.Event(0, 4.0, 14.0, 0)]
    guesses = [slow.Prediction(0, 1.0, 10.0, 0, 0.9), slow.Prediction(0, 0.0, 10.0, 0, 0.5)]
    ap = evaluate(guesses, truth).ap[0]
    # 0.1 and 0.3: both found; at 0.5 the second prediction overlaps only the taken event enough; at 1.0 only the
    # second matches exactly, behind one false positive
    torch.testing.assert_close(ap, torch.tensor([1.0, 1.0, 0.5, 0.25], dtype=torch.float64))


def test_no_events_at_all_is_nan_and_no_predictions_is_zero():
    assert evaluate([slow.Prediction(0, 0.0, 1.0, 0, 0.5)], []).ap.isnan().all()
    assert evaluate([], [slow.Event(0, 0.0, 1.0, 2)]).ap[2].eq(0).all()


def test_recall_can_be_left_out():
    assert evaluate([], [slow.Event(0, 0.0, 1.0, 2)], recall_k=()).recall.shape == (4, 0, NUM_CLASSES)
