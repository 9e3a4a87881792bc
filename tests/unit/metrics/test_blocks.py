from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from avel.metrics import functional
from avel.metrics.blocks import class_blocks
from avel.metrics.tables import Events, Predictions, all_rows, take
from tests.unit.metrics.test_functional import NUM_CLASSES, evaluate, events, predictions, rules, table

prediction_rows, event_rows = st.lists(predictions, max_size=25), st.lists(events, max_size=12)
SIZES = st.sampled_from([1, 3, 10])


@settings(max_examples=15)
@given(prediction_rows, event_rows, SIZES, st.randoms())
def test_blocks_are_whole_classes_with_their_rows_in_order(prediction_rows, event_rows, rows, random):
    predictions, events = table(Predictions, prediction_rows), table(Events, event_rows)
    order = torch.tensor(random.sample(range(len(prediction_rows)), len(prediction_rows) // 2)).long()
    first = 0
    for *parts, width in class_blocks(predictions, order, events, NUM_CLASSES, rows=rows):
        for whole, part in zip((take(predictions, order), events), parts, strict=True):
            inside = (whole.labels >= first) & (whole.labels < first + width)
            expected = [column[inside] for column in whole._replace(labels=whole.labels - first)]
            torch.testing.assert_close(list(part), expected, rtol=0, atol=0)
        first += width
    assert first == NUM_CLASSES


@settings(max_examples=15)
@given(prediction_rows, event_rows, rules, SIZES)
def test_blocks_do_not_change_the_scores(prediction_rows, event_rows, rules, rows):
    expected = evaluate(prediction_rows, event_rows, rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "class_blocks", partial(class_blocks, rows=rows))
        actual = evaluate(prediction_rows, event_rows, rules)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12, equal_nan=True)


def test_small_tables_stay_in_one_piece():
    empty, events = table(Predictions, []), table(Events, [])
    ((first, second, width),) = class_blocks(empty, all_rows(empty), events, NUM_CLASSES)
    torch.testing.assert_close((list(first), list(second)), (list(empty), list(events)))
    assert width == NUM_CLASSES
