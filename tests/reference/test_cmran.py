"""CMRAN against the released code: inner and outer values, losses, gradients, accuracy, official names and rates."""

import json
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from avel.batch import ClipBatch
from avel.checkpoints.ave import CMRAN as TABLE
from avel.checkpoints.ave import CMRAN_UNUSED
from avel.checkpoints.official import convert, rename
from avel.decoding.segment import by_relevance
from avel.methods.cmran import CMRAN
from avel.metrics.segment_accuracy import SegmentAccuracy
from tests.reference.loader import FOLDER, Case, find_cases

WEAK = {"supervision": "weak", "loss": "released"}
OPTIONS = {"CMRAN-full": {}, "CMRAN-weak": WEAK}
CASES = find_cases(kind="segment", methods=tuple(OPTIONS))
HEADS = {"heads": "heads", "interaction_heads": "av_inter_heads"}
SIZES = HEADS | {
    "visual_dim": "visual_dim",
    "audio_dim": "audio_dim",
    "dim": "d_model",
    "feedforward_dim": "feedforward",
    "attention_dim": "channel_bottleneck_and_spatial_hidden",
    "encoder_layers": "encoder_layers",
}


def select(method: str) -> list[Case]:
    return [case for case in CASES if case.method == method]


def sizes(config: dict[str, Any]) -> dict[str, Any]:
    assert config.get("decoder_layers", 1) == 1
    return {ours: config[theirs] for ours, theirs in SIZES.items() if theirs in config}


def build(case: Case, **changes: Any) -> CMRAN:
    """With the case's weights, without dropout, in training mode."""
    options = {"dropout": 0.0, "visual_dropout": 0.0} | OPTIONS[case.method] | changes
    method = CMRAN(num_classes=case.config["classes"] - 1, **sizes(case.config), **options)
    method.load_state_dict(convert(case.weights, TABLE, method.state_dict(), ignorable=CMRAN_UNUSED))
    return method.train()


def batch(case: Case) -> ClipBatch:
    visual, audio = case.tensors["in/video"], case.tensors["in/audio"]
    labels = torch.full(audio.shape[:2], case.config["classes"] - 1)
    if case.method == "CMRAN-full":
        one_hot = case.tensors["in/segment_label"]
        labels, video_labels = one_hot.argmax(dim=2), one_hot[..., :-1].argmax(dim=2).amax(dim=1)
    else:
        video_labels = case.tensors["in/video_label"].argmax(dim=1)
    return ClipBatch([f"video {index}" for index in range(len(visual))], visual, audio, labels, video_labels)


def test_there_are_cases():
    assert {case.method for case in CASES} == set(OPTIONS)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward(case, training):
    method = build(case).train(training)
    inner = {
        "channel_attention": method.attention.gate,
        "video_encoder": method.visual_encoder,
        "audio_encoder": method.audio_encoder,
        "video_decoder": method.visual_relation,
        "audio_decoder": method.audio_relation,
        "AVInter": method.interaction,
        "attended_visual": method.attention,
    }
    seen = {}
    for name, module in inner.items():
        module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    with torch.no_grad():
        output = method(batch(case))
    seen["attended_visual"], _ = seen["attended_visual"]
    seen["channel_attention"] = seen["channel_attention"].squeeze(2)
    time_first = {"video_encoder", "audio_encoder", "video_decoder", "audio_decoder", "AVInter"}
    for name, found in seen.items():
        expected = case.tensors[f"mid/{name}"]
        assert_close(found, expected.transpose(0, 1) if name in time_first else expected, **case.tolerance, msg=name)
    assert_close(output.attention, case.tensors["mid/spatial_attention"], **case.tolerance)
    assert_close(output.relevance, case.tensors["out/event_relevance_logit"], **case.tolerance)
    logits = "out/class_logits" if case.method == "CMRAN-full" else "out/raw_logits"
    assert_close(output.video_logits, case.tensors[logits], **case.tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_losses_and_gradients(case):
    method, expected = build(case), case.tensors
    losses = method.losses(batch(case))
    total = torch.stack([*losses.values()]).sum()
    total.backward()
    assert_close(total.detach(), expected["out/loss"], **case.tolerance)
    if case.method == "CMRAN-full":
        assert_close(losses["relevance"].detach(), expected["out/loss_relevance"], **case.tolerance)
        assert_close(losses["classification"].detach(), expected["out/loss_class"], **case.tolerance)

    close = case.document["tolerance"]["grad_norm"]
    gradients = {name: parameter.grad for name, parameter in method.named_parameters()}
    norm = torch.stack([gradient.norm() for gradient in gradients.values()]).norm()
    assert_close(norm, expected["grad_norm_total"], **close)
    assert_close((case.config["clip_gradient"] / norm).clamp(max=1), expected["clip_coefficient"], **close)
    assert case.select("grad_norm/")
    for name, value in case.select("grad_norm/").items():
        assert_close(gradients[rename(name, TABLE)].norm(), value, **close, msg=name)


@pytest.mark.parametrize("case", select("CMRAN-full"), ids=str)
def test_targets(case):
    inputs = batch(case)
    event = (inputs.labels < case.config["classes"] - 1).float()
    assert torch.equal(event, case.tensors["mid/relevance_target"])
    assert torch.equal(inputs.video_labels, case.tensors["mid/class_target"])


@pytest.mark.parametrize("case", select("CMRAN-weak"), ids=str)
def test_video_probabilities(case):
    """Of the released loss, whose value is nearly the same for all of them."""
    with torch.no_grad():
        relevance, video_logits, _ = build(case)(batch(case))
    probabilities = (relevance.sigmoid()[..., None] * video_logits[:, None]).amax(dim=1).softmax(dim=1)
    assert_close(probabilities, case.tensors["out/video_prob"], **case.tolerance)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_accuracy(case):
    background = case.config["classes"] - 1
    relevance, logits = case.tensors["acc/event_relevance_logit"], case.tensors["acc/class_logits"]
    predicted, _ = by_relevance(relevance, logits, background)
    labels = case.tensors["acc/labels"].argmax(dim=2)
    metric = SegmentAccuracy(num_classes=background)
    for start in range(0, len(labels), 4):
        rows = slice(start, start + 4)
        metric.update([f"video {row}" for row in range(len(labels))[rows]], predicted[rows], labels[rows])
    percent = 100 * metric.compute()["accuracy"].item()
    assert percent == pytest.approx(case.tensors["acc/accuracy_percent"].item(), rel=1e-6)
    assert percent == pytest.approx(case.tensors["acc/accuracy_percent_minibatched"].item(), rel=1e-6)


@pytest.mark.parametrize("name", [n for n in ("cmran-full", "cmran-weak") if (FOLDER / f"{n}-full-keys.json").exists()])
def test_official_names_match_one_to_one(name):
    """At the published size; a released checkpoint has the names of a model that is spread over GPUs."""
    document = json.loads((FOLDER / f"{name}-full-keys.json").read_text())
    parameters, unused = dict(document["parameters"]), document["parameters_that_never_receive_a_gradient"]
    options = OPTIONS[name.replace("cmran", "CMRAN")]
    classes = parameters["localize_module.event_classifier.weight"][0] - (1 if options == WEAK else 0)
    with torch.device("meta"):
        tensors = {f"module.{key}": torch.empty(shape, dtype=torch.float64) for key, shape in parameters.items()}
        method = CMRAN(num_classes=classes, **sizes(document["config"]), **options)
    state = convert(tensors, TABLE, method.state_dict(), ignorable=CMRAN_UNUSED)
    assert state.keys() == method.state_dict().keys()
    assert len(state) + len(unused) == len(tensors)
    ours = sum(parameter.numel() for parameter in method.parameters())
    assert ours + sum(tensors[f"module.{key}"].numel() for key in unused) == document["total_parameters"]


def test_official_checkpoints_are_of_another_precision():
    """Released tensors are float64; loading rounds them."""
    case = CASES[0]
    method = build(case)
    released = {f"module.{name}": tensor.double() for name, tensor in case.weights.items()}
    method.load_state_dict(convert(released, TABLE, method.state_dict(), ignorable=CMRAN_UNUSED))
    assert {parameter.dtype for parameter in method.parameters()} == {torch.float32}
    assert_close(method.state_dict(), build(case).state_dict(), rtol=0, atol=0)
