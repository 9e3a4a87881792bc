"""AVDLN against the released code: embeddings, distances, losses, gradients, windows, results, Keras names, weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from avel.batch import ClipBatch
from avel.checkpoints.ave import AVDLN as TABLE
from avel.checkpoints.official import convert, rename
from avel.keras import dense_layout, read_keras_weights
from avel.losses.contrastive import contrastive_loss, pair_distance
from avel.methods.avdln import AVDLN
from avel.metrics.matching import MatchingAccuracy
from avel.tasks.loading import load_method
from tests.reference.loader import FOLDER, Case, find_cases

SHARED = Path(__file__).parents[3] / "shared"
WEIGHTS = SHARED / "data" / "ave" / "cmm_model_weights.h5"
REAL = "avdln-cmm-real-weights"  # holds weights of others, so the repository has no copy


def cases() -> list[Case]:
    found = find_cases(kind="matching", methods=("AVDLN-CMM",))
    real = Case(SHARED / "reference_cases" / REAL)
    missing = not any(case.name == REAL for case in found) and real.folder.is_dir()
    return [*found, real] if missing else found


CASES = cases()


def sizes(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "num_classes": 1,
        "visual_dim": config["visual_dim"],
        "audio_dim": config["audio_dim"],
        "hidden_dim": config["hidden"],
        "embedding_dim": config["embedding"],
    }


def build(case: Case) -> AVDLN:
    method = AVDLN(**sizes(case.config), margin=case.config["margin_train"])
    assert method.visual[1].negative_slope == method.audio[1].negative_slope == case.config["leaky_slope"]
    method.load_state_dict(convert(dense_layout(case.weights), TABLE, method.state_dict()))
    return method


def batch(case: Case, count: int | None = None) -> ClipBatch:
    """All videos of the case, or the first ones."""
    visual, audio, event = (case.tensors[f"in/{name}"][:count] for name in ("visual", "audio", "label"))
    labels = 1 - event.long()  # one class, 0, and background
    return ClipBatch([f"video {index}" for index in range(len(visual))], visual, audio, labels, labels.amin(dim=1))


def pairs(case: Case) -> ClipBatch:
    """The first videos, whose seconds are the stored training pairs."""
    return batch(case, len(case.tensors["out/distance_pairs"]) // case.tensors["in/label"].shape[1])


def test_there_are_cases():
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_embeddings_and_distances(case):
    method, expected, close = build(case), case.tensors, case.tolerance
    assert float(pair_distance(torch.zeros(1), torch.zeros(1))) == pytest.approx(case.config["epsilon"] ** 0.5)
    with torch.no_grad():
        visual, audio = method.embed(pairs(case))
        assert_close(visual.flatten(0, 1), expected["out/embed_visual"], **close)
        assert_close(audio.flatten(0, 1), expected["out/embed_audio"], **close)
        assert_close(pair_distance(visual, audio).flatten(), expected["out/distance_pairs"], **close)
        visual, audio = method.embed(batch(case))
        matrix = pair_distance(visual[:, :, None], audio[:, None])
    assert_close(matrix, expected["out/distance_matrix"], **close)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_loss_and_gradients(case):
    method, expected, inputs = build(case), case.tensors, pairs(case)
    (loss,) = method.losses(inputs).values()
    loss.backward()
    assert_close(loss.detach(), expected["out/loss_margin2"], **case.tolerance)
    distance = expected["out/distance_pairs"].view_as(inputs.labels)
    assert_close(contrastive_loss(distance, inputs.labels == 0, 1.0), expected["out/loss_margin1"], **case.tolerance)

    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    assert case.select("grad_norm/")
    for name, norm in case.select("grad_norm/").items():
        ours = gradients[rename(name, TABLE)].norm()
        assert_close(ours, norm, **case.document["tolerance"]["grad_norm"], msg=name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_windows_and_results(case):
    inputs, expected = batch(case), case.tensors
    found = build(case).localize(inputs)
    searched = expected["metric/a2v_start"] >= 0
    assert torch.equal(found.labels == 0, searched)
    starts = torch.stack([expected["metric/a2v_start"], expected["metric/v2a_start"]], dim=1)
    assert torch.equal(found.starts[searched], starts[searched])

    metric = MatchingAccuracy()
    metric.update(inputs.videos, found.starts, inputs.labels == 0)
    scores = {name: value.item() for name, value in metric.compute().items()}
    snippets = expected["metric/event_segments"].item()
    for name in ("a2v", "v2a"):
        assert 100 * scores[name] == pytest.approx(expected[f"metric/{name}_percent"].item(), rel=1e-6)
        overlap = expected[f"metric/overlap_{name}"].item()
        assert scores[f"{name}_overlap"] * snippets == pytest.approx(overlap, rel=1e-6)


@pytest.mark.skipif(not (FOLDER / "avdln-cmm-full-keys.json").exists(), reason="this folder of cases has no full keys")
def test_official_names_match_one_to_one():
    document = json.loads((FOLDER / "avdln-cmm-full-keys.json").read_text())
    with torch.device("meta"):
        released = {name: torch.empty(shape) for name, shape in document["parameters"]}
        method = AVDLN(**sizes(document["config"]))
    state = convert(dense_layout(released), TABLE, method.state_dict())
    assert state.keys() == method.state_dict().keys()
    assert len(state) == len(released)
    assert sum(parameter.numel() for parameter in method.parameters()) == document["total_parameters"]


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no {WEIGHTS.name} beside the repository")
@pytest.mark.parametrize("case", [case for case in CASES if case.name == REAL], ids=str)
def test_the_released_weights_are_those_of_the_case(case):
    released = read_keras_weights(WEIGHTS)
    assert released.keys() == case.weights.keys()
    for name, tensor in released.items():
        assert torch.equal(tensor, case.weights[name])
    ours = load_method(WEIGHTS).state_dict()
    assert_close(ours, build(case).state_dict(), rtol=0, atol=0)
