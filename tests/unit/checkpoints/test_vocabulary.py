import logging

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from avel.checkpoints.vocabulary import Vocabulary, adapt_classes
from avel.errors import UserError

NAMES = ("owl", "bus", "cat")
PROMPTS = torch.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 1]])
KNOWN = Vocabulary(PROMPTS, NAMES)
OFFSETS = torch.arange(6.0)


def checkpoint(names=NAMES, *, class_aware=True):
    state = {"classify.prompts_sounds": PROMPTS.clone(), "classify.text.weight": torch.zeros(2, 3)}
    bias = OFFSETS.clone() if class_aware else torch.arange(2.0)
    state |= {"regress.out.sounds.conv.bias": bias, "regress.out.sounds.conv.weight": bias[:, None, None].clone()}
    task = {"class_names": names, "class_aware": class_aware}
    return {"state_dict": state, "hyper_parameters": {"tasks": {"sounds": task}}}


def adapted(ours, names=NAMES, *, class_aware=True, resumes=False):
    """Prompts and classes' offsets of the checkpoint, told for `ours`."""
    changed = checkpoint(names, class_aware=class_aware)
    adapt_classes(changed, {"sounds": ours}, resumes=resumes)
    state = changed["state_dict"]
    assert_close(state["regress.out.sounds.conv.weight"].flatten(), state["regress.out.sounds.conv.bias"])
    return state["classify.prompts_sounds"], state["regress.out.sounds.conv.bias"].reshape(-1, 2)


@given(st.lists(st.sampled_from(range(3)), min_size=1, max_size=3, unique=True))
def test_known_classes_keep_their_prompts_and_offsets_in_any_order_and_number(chosen):
    ours = Vocabulary(torch.zeros(len(chosen), 9), tuple(NAMES[i] for i in chosen))  # no file, not even a width
    prompts, offsets = adapted(ours)
    assert prompts.tolist() == PROMPTS[chosen].tolist()
    assert offsets.tolist() == OFFSETS.reshape(3, 2)[chosen].tolist()


def test_new_classes_bring_prompts_and_are_regressed_like_the_most_similar_one(caplog):
    caplog.set_level(logging.INFO)
    new = torch.tensor([[0.1, 0.3, 0], [9, 9, 9], [3, 0, 2]])
    prompts, offsets = adapted(Vocabulary(new, ("tram", "cat", "eagle")))
    assert_close(prompts, torch.stack([new[0], PROMPTS[2], new[2]]))
    assert offsets.tolist() == [[2, 3], [4, 5], [0, 1]]
    assert caplog.messages == [
        "sounds: looks for 1 of the checkpoint's 3 classes and 2 new ones: 'tram' (offsets of 'bus'),"
        " 'eagle' (offsets of 'owl')"
    ]


def test_offsets_that_know_no_classes_stay(caplog):
    caplog.set_level(logging.INFO)
    prompts, offsets = adapted(Vocabulary(torch.ones(1, 3), ("tram",)), class_aware=False)
    assert (prompts.tolist(), offsets.tolist()) == ([[1, 1, 1]], [[0, 1]])
    assert caplog.messages == ["sounds: looks for 0 of the checkpoint's 3 classes and 1 new ones: 'tram'"]


@pytest.mark.parametrize("ours", [KNOWN, Vocabulary(torch.zeros(3, 3)), Vocabulary(PROMPTS + 1e-6)])
@pytest.mark.parametrize("resumes", [True, False])
def test_the_same_classes_change_nothing(ours, resumes, caplog):
    caplog.set_level(logging.INFO)
    prompts, offsets = adapted(ours, resumes=resumes)
    assert torch.equal(prompts, PROMPTS)
    assert torch.equal(offsets.flatten(), OFFSETS)
    assert not caplog.messages


def test_other_prompts_of_the_same_classes_are_not_used_silently(caplog):
    prompts, _ = adapted(Vocabulary(PROMPTS.roll(1, 0), NAMES))
    assert torch.equal(prompts, PROMPTS)
    assert caplog.messages == [
        "sounds: prompts are those of the checkpoint: it was trained with others than the file holds"
    ]


def test_without_names_prompts_tell_whether_classes_are_the_same():
    for names, ours in (((), Vocabulary(PROMPTS[[1, 0, 2]], NAMES)), (NAMES, Vocabulary(PROMPTS[[1, 0, 2]]))):
        prompts, offsets = adapted(ours, names)
        assert torch.equal(prompts, PROMPTS[[1, 0, 2]])
        assert offsets.tolist() == [[2, 3], [0, 1], [4, 5]]


def test_training_goes_on_with_the_same_classes_only():
    for ours, message in (
        (
            Vocabulary(PROMPTS, ("bus", "owl", "cat")),
            "are owl, bus, cat; here they are bus, owl, cat",
        ),
        (Vocabulary(PROMPTS[:2]), "of the checkpoint are owl, bus, cat; here they are 2 without names"),
        (Vocabulary(torch.ones(3, 5), NAMES), "width 5, but the checkpoint's prompts have 3: give those of its run"),
    ):
        with pytest.raises(UserError, match=message):
            adapted(ours, resumes=True)


@pytest.mark.parametrize("resumes", [False, True])
def test_other_prompts_for_the_same_classes_are_told(caplog, resumes):
    prompts, _ = adapted(Vocabulary(PROMPTS.flip(0), NAMES), resumes=resumes)
    assert torch.equal(prompts, PROMPTS)
    assert "sounds: prompts are those of the checkpoint" in caplog.text


def test_new_classes_need_prompts_of_the_same_encoder():
    with pytest.raises(UserError, match=r"does not know the class 'tram' \(1 of 2 are new\): give .*prompts=FILE"):
        adapted(Vocabulary(torch.zeros(2, 3), ("owl", "tram")))
    with pytest.raises(UserError, match=r"width 5, but the checkpoint's prompts have 3: make them with the text enc"):
        adapted(Vocabulary(torch.ones(2, 5), ("owl", "tram")))


def test_checkpoints_of_others_are_left_alone():
    other = {"state_dict": {"x": torch.ones(1)}, "hyper_parameters": {"num_classes": 3}}
    adapt_classes(other, {"sounds": KNOWN}, resumes=False)
    adapt_classes({"state_dict": {}}, {"sounds": KNOWN}, resumes=False)
    assert other["state_dict"].keys() == {"x"}


UNKNOWN = torch.zeros(3, 3)
"""Prompts of released weights, beside which they lie in files of their own."""


def test_released_weights_take_our_prompts_and_know_classes_by_their_order(caplog):
    state = {"classify.prompts_sounds": UNKNOWN, "regress.out.sounds.conv.bias": OFFSETS}
    checkpoint = {"state_dict": state, "hyper_parameters": {"tasks": {"sounds": {"class_aware": True}}}}
    adapt_classes(checkpoint, {"sounds": KNOWN}, resumes=False)
    assert torch.equal(state["classify.prompts_sounds"], PROMPTS)
    assert torch.equal(state["regress.out.sounds.conv.bias"], OFFSETS)
    assert not caplog.messages


def test_released_weights_know_classes_by_their_names_if_these_are_told():
    state = {"classify.prompts_sounds": UNKNOWN, "regress.out.sounds.conv.bias": OFFSETS}
    described = {"class_aware": True, "class_names": NAMES}
    checkpoint = {"state_dict": state, "hyper_parameters": {"tasks": {"sounds": described}}}
    adapt_classes(checkpoint, {"sounds": Vocabulary(PROMPTS.flip(0), NAMES[::-1])}, resumes=False)
    assert torch.equal(state["classify.prompts_sounds"], PROMPTS.flip(0))
    assert state["regress.out.sounds.conv.bias"].tolist() == [4, 5, 2, 3, 0, 1]


@pytest.mark.parametrize(
    ("ours", "message"),
    [
        (
            Vocabulary(UNKNOWN),
            "sounds: released weights hold no prompts: give method.tasks.sounds.prompts=FILE, of width 3",
        ),
        (Vocabulary(torch.ones(3, 5)), "of width 3"),
        (Vocabulary(PROMPTS[:2]), "2 classes are wanted, but the released weights know 3"),
    ],
)
def test_released_weights_need_prompts_of_their_classes(ours, message):
    state = {"classify.prompts_sounds": UNKNOWN, "regress.out.sounds.conv.bias": OFFSETS}
    checkpoint = {"state_dict": state, "hyper_parameters": {"tasks": {"sounds": {"class_aware": True}}}}
    with pytest.raises(UserError, match=message):
        adapt_classes(checkpoint, {"sounds": ours}, resumes=False)
