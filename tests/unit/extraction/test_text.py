import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avel.errors import UserError
from avel.extraction.text import TextEncoder, embed, fill_template, load_text_encoder

WORDS = ["dog", "cat", "owl", "bus", "rain"]


def letters(sentences):
    """Code points of the first letters, and lengths: without any model."""
    return [[float(ord(sentence[0])), float(len(sentence))] for sentence in sentences]


def test_a_sentence_per_class():
    assert fill_template("A sound event of {}.", ["Alarm_bell_ringing", "{x}"]) == [
        *("A sound event of Alarm bell ringing.", "A sound event of {x}.")
    ]
    with pytest.raises(UserError, match=r"--template='An event\.': put \{\} where the name"):
        fill_template("An event.", ["dog"])


@given(st.integers(1, 6))
def test_batches_change_nothing(batch_size):
    rows = embed(TextEncoder("letters", letters), WORDS, batch_size=batch_size)
    assert (rows.shape, rows.dtype) == ((5, 2), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-6)
    raw = embed(TextEncoder("letters", letters), WORDS, batch_size=batch_size, unit=False)
    assert raw.tolist() == letters(WORDS)


@pytest.mark.parametrize("kind", [np.array, lambda rows: torch.tensor(rows, requires_grad=True).bfloat16()])
def test_arrays_of_all_kinds(kind):
    rows = embed(TextEncoder("any", lambda sentences: kind([[2.0, 0]] * len(sentences))), WORDS)
    assert rows.tolist() == [[1, 0]] * 5


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda s: [1.0] * len(s), r"mine: gives shape \(2,\) for 2 sentences, wanted \(2, width\)"),
        (lambda s: [[1.0]], r"mine: gives shape \(1, 1\) for 2 sentences"),
        (lambda s: s, "mine: gives no array of numbers"),
        (lambda s: None, "mine: gives no array of numbers"),
        (lambda s: [[1.0, 0.0] if w == "dog" else [0.0, 0.0] for w in s], "the row of 'cat' is zero, NaN or infinite"),
        (lambda s: [[float("nan")]] * len(s), "the row of 'dog' is zero"),
        (lambda s: [[1.0] * (1 + ("owl" in s))] * len(s), "rows of different widths: 1, 2"),
    ],
)
def test_what_an_encoder_gives_is_checked(encode, message):
    with pytest.raises(UserError, match=message):
        embed(TextEncoder("mine", encode), WORDS[:4], batch_size=2)


def test_a_batch_has_a_size():
    with pytest.raises(UserError, match="--batch-size=0: give a number from 1 on"):
        embed(TextEncoder("letters", letters), WORDS, batch_size=0)


def test_functions_of_the_user():
    encoder = load_text_encoder("tests.unit.extraction.test_text:letters")
    assert embed(encoder, ["dog"], unit=False).tolist() == [[100, 3]]
    for name, message in (
        ("tests.unit.extraction.test_text:absent", "has no function 'absent'"),
        ("tests.unit.extraction.test_text:WORDS", "has no function 'WORDS'"),
        ("no_such_module:encode", "No module named 'no_such_module'; modules are sought in this folder"),
        (":encode", "--encoder=:encode"),
    ):
        with pytest.raises(UserError, match=message):
            load_text_encoder(name)
