"""AV-att, DMRN and PSP against the released codes: outputs, losses, gradients, accuracies, official names."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from avel.batch import ClipBatch
from avel.checkpoints import ave
from avel.checkpoints.official import Table, convert, rename
from avel.decoding.segment import by_argmax
from avel.losses.pair_similarity import StaleSimilarityTargets, similarity_targets
from avel.methods.av_att import AVAtt
from avel.methods.dmrn import DMRN
from avel.methods.psp import PSP, shares
from avel.metrics.segment_accuracy import SegmentAccuracy
from avel.tasks.segment import SegmentLocalizer
from tests.reference.loader import FOLDER, Case, find_cases


@dataclass(frozen=True)
class Released:
    """How one released model is called here."""

    kind: type[SegmentLocalizer]
    table: Table
    options: dict[str, Any]
    unused: tuple[str, ...] = ()


RELEASED = {
    "AV_att": Released(AVAtt, ave.AV_ATT, {"loss": "released"}),
    "W-AV-att": Released(AVAtt, ave.AV_ATT, {"loss": "released", "supervision": "weak"}),
    "DMRN": Released(DMRN, ave.DMRN, {"loss": "released", "swap_streams": True}),
    "PSP-full": Released(PSP, ave.PSP, {"dropout": 0.0}, ave.PSP_UNUSED),
    "PSP-weak": Released(
        PSP,
        ave.PSP,
        {"dropout": 0.0, "supervision": "weak", "video_target": "proportion"},
        ave.PSP_WEAK_UNUSED,
    ),
}
ARGUMENTS = {
    "visual_dim": "visual_dim",
    "audio_dim": "audio_dim",
    "positions": "positions",
    "attention_hidden": "attention_dim",
    "lstm_hidden": "lstm_dim",
    "classifier_width": "classifier_dim",
    "psp_hidden": "psp_dim",
    "nb_block": "fusion_blocks",
    "threshold": "threshold",
    "LAMBDA": "pair_weight",
}
CASES = find_cases(kind="segment", methods=tuple(RELEASED))


def select(*methods: str) -> list[Case]:
    return [case for case in CASES if case.method in methods]


def build(case: Case) -> SegmentLocalizer:
    released = RELEASED[case.method]
    sizes = {ours: case.config[theirs] for theirs, ours in ARGUMENTS.items() if theirs in case.config}
    method = released.kind(num_classes=case.config["classes"] - 1, audio_axis="positions", **sizes | released.options)
    state = convert(case.weights, released.table, method.state_dict(), ignorable=released.unused)
    method.load_state_dict(state)
    return method.train()


def batch(case: Case) -> ClipBatch:
    visual, audio = case.tensors["in/video"], case.tensors["in/audio"]
    count, background = len(visual), case.config["classes"] - 1
    labels, video_labels = torch.full(audio.shape[:2], background), torch.full((count,), background)
    if "in/segment_label" in case.tensors:
        labels = case.tensors["in/segment_label"].argmax(dim=-1)
    if "in/video_label" in case.tensors:
        video_labels = case.tensors["in/video_label"].argmax(dim=-1)
    if "in/proportion_label" in case.tensors:
        labels = snippets_of(case.tensors["in/proportion_label"], audio.shape[1])
    return ClipBatch([f"video {index}" for index in range(count)], visual, audio, labels, video_labels)


def snippets_of(proportions: Tensor, length: int) -> Tensor:
    """Any labels (B, T) in which each class has its share of the snippets."""
    counts = (proportions * length).round().long()
    classes = torch.arange(proportions.shape[1])
    return torch.stack([classes.repeat_interleave(count) for count in counts])


def test_there_are_cases():
    assert CASES


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case):
    method, inputs, close = build(case), batch(case), case.tolerance
    seen = {}
    method.attention.register_forward_hook(lambda _, __, output: seen.update(attended=output[0]))
    method.lstm.register_forward_hook(lambda _, inputs, output: seen.update(inputs=inputs, outputs=output))
    with torch.inference_mode():
        output = method(inputs)
    expected = case.tensors
    assert_close(output.attention, expected["mid/attention_map"], **close)
    if "mid/attended_visual" in expected:
        assert_close(seen["attended"], expected["mid/attended_visual"], **close)
    for name, found in zip(("video", "audio"), seen["outputs"], strict=True):
        assert_close(found, expected[f"mid/lstm_{name}"], **close)
    for name, found in zip(("video", "audio"), seen["inputs"], strict=True):
        assert_close(found, expected.get(f"mid/lstm_in_{name}", found), **close)
    if "out/segment_logits" in expected:
        assert_close(output.logits, expected["out/segment_logits"], **close)
    if "out/segment_prob" in expected:
        assert_close(output.logits.softmax(-1), expected["out/segment_prob"], **close)
    if "out/video_prob" in expected:
        pooled = output.logits.amax(1) if case.method == "W-AV-att" else output.logits.mean(1)
        assert_close(pooled.softmax(-1), expected["out/video_prob"], **close)


@pytest.mark.parametrize("case", select("PSP-full", "PSP-weak"), ids=str)
def test_propagation(case):
    method, expected, close = build(case), case.tensors, case.tolerance
    with torch.inference_mode():
        visual, audio = expected["mid/lstm_video"], expected["mid/lstm_audio"]
        similarity = method.propagate.similarity(visual, audio)
        for name, directed in (("va", similarity), ("av", similarity.mT)):
            assert_close(shares(directed), expected[f"mid/beta_{name}"], **close)
            assert_close(method.propagate.positive(shares(directed)), expected[f"mid/gamma_{name}"], **close)
        output = method(batch(case))
    assert_close((output.visual + output.audio) / 2, expected["mid/fusion"], **close)
    if case.method == "PSP-full":
        assert_close(output.visual, expected["mid/final_video"], **close)
        assert_close(output.audio, expected["mid/final_audio"], **close)
        assert_close(torch.cosine_similarity(output.visual, output.audio, dim=-1), expected["out/av_cosine"], **close)


@pytest.mark.parametrize("case", select("PSP-weak"), ids=str)
def test_temporal_weights(case):
    method, expected = build(case), case.tensors
    seen = {}
    method.weigh.register_forward_hook(lambda _, inputs, output: seen.update(logits=inputs[0], weight=output))
    with torch.inference_mode():
        method(batch(case))
    assert_close(seen["logits"], expected["mid/unweighted_logits"], **case.tolerance)
    assert_close(seen["weight"].relu().sigmoid(), expected["mid/temporal_weight"], **case.tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses_and_gradients(case):
    method, expected = build(case), case.tensors
    losses = method.losses(batch(case))
    total = torch.stack([*losses.values()]).sum()
    total.backward()
    assert_close(total.detach(), expected["out/loss"], **case.tolerance)
    if case.method == "PSP-full":
        assert_close(losses["classification"].detach(), expected["out/loss_cls"], **case.tolerance)
        similarity = losses["similarity"].detach() / case.config["LAMBDA"]
        assert_close(similarity, expected["out/loss_avps"], **case.tolerance)

    close = case.document["tolerance"]["grad_norm"]
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    norms = torch.stack([gradient.norm() for gradient in gradients.values()])
    assert_close(norms.norm(), expected["grad_norm_total"], **close)
    assert case.select("grad_norm/")
    for name, norm in case.select("grad_norm/").items():
        assert_close(gradients[rename(name, RELEASED[case.method].table)].norm(), norm, **close, msg=name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_accuracy(case):
    predicted, _ = by_argmax(case.tensors["acc/scores"])
    labels = case.tensors["acc/labels"].argmax(dim=-1)
    for name, count in (("acc/accuracy", None), ("acc/accuracy_first_3", 3)):
        if name in case.tensors:
            metric = SegmentAccuracy(num_classes=case.config["classes"] - 1)
            videos = [f"video {index}" for index in range(len(labels[:count]))]
            metric.update(videos, predicted[:count], labels[:count])
            assert metric.compute()["accuracy"].item() == pytest.approx(case.tensors[name].item(), rel=1e-6)


@pytest.mark.parametrize("case", select("PSP-full"), ids=str)
def test_similarity_targets(case):
    expected, background = case.tensors, case.config["classes"] - 1
    assert_close(similarity_targets(batch(case).labels < background), expected["in/avps_target"])
    stale = StaleSimilarityTargets()
    for step, labels in enumerate(expected["target/labels"].argmax(dim=-1)):
        assert torch.equal(labels, expected["target/segment_class"][step])
        assert_close(similarity_targets(labels < background), expected["target/avps_clean"][step])
        assert_close(stale(labels < background), expected["target/avps_reference"][step])


@pytest.mark.parametrize("case", select("PSP-weak"), ids=str)
def test_proportions(case):
    assert_close(build(case).video_shares(batch(case)), case.tensors["in/proportion_label"])


OFFICIAL = {
    "av-att": "AV_att",
    "w-av-att": "W-AV-att",
    "dmrn": "DMRN",
    "psp-full": "PSP-full",
    "psp-weak": "PSP-weak",
}


@pytest.mark.parametrize("name", [name for name in OFFICIAL if (FOLDER / f"{name}-full-keys.json").exists()])
def test_official_names_match_one_to_one(name):
    """At the published size, which is the default of our constructors."""
    document = json.loads((FOLDER / f"{name}-full-keys.json").read_text())
    released, sizes = RELEASED[OFFICIAL[name]], document["config"]
    with torch.device("meta"):
        tensors = {key: torch.empty(shape) for key, shape in document["parameters"]}
        method = released.kind(
            num_classes=sizes.get("classes", sizes.get("category_num")) - 1,
            visual_dim=sizes.get("visual_dim", sizes.get("v_dim")),
            audio_dim=sizes.get("audio_dim", sizes.get("a_dim")),
            **released.options,
        )
    state = convert(tensors, released.table, method.state_dict(), ignorable=released.unused)
    assert state.keys() == method.state_dict().keys()
    unused = document.get("parameters_that_never_receive_a_gradient", [])
    assert len(state) + len(unused) == len(tensors)
    ours = sum(parameter.numel() for parameter in method.parameters())
    assert ours + sum(tensors[key].numel() for key in unused) == document["total_parameters"]
