"""Numbers of the released visualization of AV-att's attention."""

import numpy as np
import pytest
import torch

from avel.report.heatmap import JET, released_frame_numbers, released_overlay, resize, stretch
from tests.reference.loader import find_cases

CASES = [case for case in find_cases(kind="segment", methods=("AV_att",)) if "vis/jet_lut_bgr" in case.tensors]
FRAMES = [
    pytest.param(name, numbers, id=f"{case}-{name}")
    for case in CASES
    for name, numbers in case.select("vis/frames_").items()
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_map_is_stretched_to_255(case):
    expected = case.tensors["vis/attention_255"]
    torch.testing.assert_close(stretch(case.tensors["mid/attention_map"][0]), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_maps_are_enlarged_with_pixel_centres_at_halves(case):
    expected = case.tensors["vis/upsampled_224"]  # of the fourth second, rounded to float16
    enlarged = resize(case.tensors["vis/attention_255"], tuple(expected.shape))[3]
    torch.testing.assert_close(enlarged.half(), expected, rtol=2**-10, atol=5e-4)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_colours_are_those_of_opencv(case):
    assert np.array_equal(JET[:, ::-1], case.tensors["vis/jet_lut_bgr"].numpy())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_colours_lie_over_the_frame(case):
    """By the documented formula, 0.2 * JET(whole numbers) + 0.6 * frame, from the recorded enlarged map."""
    index = case.tensors["vis/upsampled_224"].float().numpy().astype(np.uint8)
    colours = case.tensors["vis/jet_lut_bgr"].numpy()[index][..., ::-1]
    frame = np.random.default_rng(0).integers(0, 256, (*index.shape, 3), np.uint8)
    blended = released_overlay(case.tensors["mid/attention_map"][:1, 3], frame[None])[0]
    different = np.abs(blended - (0.2 * colours + 0.6 * frame)) > 0.5
    assert different.mean() < 0.01  # where the rounding to float16 crossed a whole number
    assert np.abs(blended - (0.2 * colours + 0.6 * frame)).max() < 2


@pytest.mark.parametrize(("name", "numbers"), FRAMES)
def test_frames_are_those_of_the_released_code(name, numbers):
    assert released_frame_numbers(int(name)).tolist() == numbers.tolist()
