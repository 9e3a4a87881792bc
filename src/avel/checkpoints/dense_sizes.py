"""Sizes of UnAV, CCNet, UniAV and ActionFormer, from the shapes of released weights.

Heads, positions and lengths leave no trace in shapes: these are taken from the published configurations.
"""

from __future__ import annotations

from typing import Any

from avel.checkpoints.shapes import Arguments, Shapes, Sizes, count

DROP_PATH = 0.1
"""Of residual branches, where they have the scales that come with it."""

UNSEEN: Arguments = {"pyramid.heads": 4, "pyramid.positions": True}

LENGTHS = {2048: 224, 1536: 256}
"""Width of the visual features (I3D, ONE-PEACE) -> snippets that UnAV is trained on."""

UNIAV_TASKS: dict[str, dict[str, Any]] = {
    "activitynet13": {"num_classes": 200, "max_length": 192, "decoder.sigma": 0.75},
    "unav100": {"max_length": 256},
    "desed": {
        "max_length": 64,
        "class_names": [
            "Vacuum_cleaner",
            "Frying",
            "Cat",
            "Alarm_bell_ringing",
            "Running_water",
            "Speech",
            "Electric_shaver_toothbrush",
            "Blender",
            "Dishes",
            "Dog",
        ],
    },
}
"""What the weights do not say of the published tasks; names of classes where data sets of ours order them otherwise."""

# ActionFormer's published configurations, as far as shapes do not tell them
THUMOS14: Arguments = {
    "max_length": 2304,
    "pyramid.heads": 4,
    "pyramid.windows": 19,
    "pyramid.positions": False,
    "decoder.sigma": 0.5,
    "decoder.iou_threshold": 0.1,
    "decoder.max_events": 200,
    "decoder.voting_threshold": 0.7,
    "decoder.voting_weight": "score_tiou",
}
ACTIVITYNET13: Arguments = {
    "max_length": 192,
    "pyramid.heads": 4,
    "pyramid.windows": [7, 7, 7, 7, 7, None],
    "pyramid.positions": True,
    "decoder.min_length": 0.001,
    "decoder.per_class": False,
    "decoder.sigma": 0.75,
    "decoder.iou_threshold": 0.1,
    "decoder.max_events": 100,
    "decoder.voting_threshold": 0.9,
    "decoder.voting_weight": "score_tiou",
}
EPIC_KITCHENS: Arguments = {
    "max_length": 2304,
    "pyramid.heads": 4,
    "pyramid.windows": 9,
    "pyramid.positions": False,
    "decoder.pre_nms_topk": 5000,
    "decoder.sigma": 0.4,
    "decoder.iou_threshold": 0.1,
    "decoder.max_events": 2000,
    "decoder.voting_threshold": 0.75,
    "decoder.voting_weight": "score_tiou",
}
EGO4D: Arguments = {
    "max_length": 1024,
    "pyramid.heads": 12,
    "pyramid.windows": 9,
    "pyramid.positions": True,
    "decoder.pre_nms_topk": 5000,
    "decoder.sigma": 0.9,
    "decoder.iou_threshold": 0.1,
    "decoder.max_events": 2000,
    "decoder.voting_threshold": 0.95,
    "decoder.voting_weight": "score_tiou",
}


def unav(shapes: Shapes) -> Sizes:
    """Sizes of UnAV, with the dependency block or without."""
    read = _audio_visual(shapes) | _classes(shapes)
    expand = shapes.get("dependency.expand.conv.weight")
    read["neck_dim"] = expand[0] // read["num_classes"] if expand else None
    return Sizes(read, {"row_mask": "released"}, UNSEEN | {"max_length": LENGTHS.get(read["visual_dim"], 256)})


def ccnet(shapes: Shapes) -> Sizes:
    """Sizes of CCNet, whose neck has weights for every time step."""
    read = _audio_visual(shapes) | _classes(shapes)
    read["neck_dim"] = shapes["collaboration.expand.conv.weight"][0] // read["num_classes"]
    read["max_length"] = shapes["collaboration.levels.0.to_classes.weight"][1]
    return Sizes(read, {"row_mask": "released", "gate_mask": "released"}, UNSEEN)


def uniav(shapes: Shapes) -> Sizes:
    """Sizes of UniAV: those of the tasks that have an output layer."""
    read = _audio_visual(shapes)
    del read["head.class_aware"]
    read["prompt_dim"] = shapes["classify.text.weight"][1]
    assumed = dict(UNSEEN)
    for name, shape in shapes.items():
        if name.startswith("regress.out.") and name.endswith(".conv.weight"):
            _, _, task, *_ = name.split(".")
            own = {"class_aware": shape[0] > 2} | ({"num_classes": shape[0] // 2} if shape[0] > 2 else {})
            read |= {f"tasks.{task}.{key}": value for key, value in own.items()}
            assumed |= {f"tasks.{task}.{key}": value for key, value in _published_task(task, shape[0] // 2).items()}
    return Sizes(read, {"positions": "whole_table_in_eval"}, assumed)


def actionformer(shapes: Shapes) -> Sizes:
    """Sizes of ActionFormer: transformer or convolutions, one stream or two projected ones, FPN or not."""
    first, projected = shapes["pyramid.embedding.convs.0.conv.weight"], count(shapes, "pyramid.projections.")
    streams = [shapes[f"pyramid.projections.{index}.conv.weight"] for index in range(projected)]
    conv = any(name.endswith(".widen.conv.weight") for name in shapes)
    levels, ranges = 1 + count(shapes, "pyramid.levels."), count(shapes, "regress.scales.")
    lateral = shapes.get("neck.laterals.0.conv.weight")
    read = _heads(shapes) | _classes(shapes)
    read |= {
        "streams": "projected" if streams else "visual",
        "visual_dim": streams[0][1] if streams else first[1],
        "audio_dim": streams[1][1] if streams else 0,
        "pyramid.block": "conv" if conv else "transformer",
        "pyramid.dim": first[0],
        "pyramid.projections": [stream[0] for stream in streams] or None,
        "pyramid.embedding_layers": count(shapes, "pyramid.embedding.convs."),
        "pyramid.stem_layers": count(shapes, "pyramid.stem."),
        "pyramid.levels": levels,
        "pyramid.kernel_size": first[2],
        "pyramid.norm": "pyramid.embedding.norms.0.weight" in shapes,
        "pyramid.drop_path": DROP_PATH if conv else _drop_path(shapes),
        "neck.kind": "fpn" if lateral else "identity",
        "neck.dim": lateral[0] if lateral else None,
        "neck.norm": "neck.norms.0.weight" in shapes,
        "neck.first_level": levels - ranges,
    }
    return Sizes(read | _windows(shapes, levels), {}, _published(read))


def _published(read: Arguments) -> Arguments:
    """Return what is published for the configuration that is most alike."""
    if read["pyramid.dim"] == 256:
        return ACTIVITYNET13
    if read["pyramid.dim"] == 768:
        return EGO4D
    return EPIC_KITCHENS if read["visual_dim"] == 2304 else THUMOS14


def _windows(shapes: Shapes, levels: int) -> Arguments:
    """Windows and heads where learned positions tell them: (1, 1, heads, window) a block."""
    blocks = ["stem.0", *(f"levels.{index}" for index in range(levels - 1))]
    biases = [shapes.get(f"pyramid.{block}.block.attention.distance_bias") for block in blocks]
    found = [bias[-2:] for bias in biases if bias]
    if not found:
        return {"pyramid.relative_positions": False}
    windows = [bias[-1] if bias else None for bias in biases]
    return {"pyramid.relative_positions": True, "pyramid.heads": found[0][0], "pyramid.windows": windows}


def _audio_visual(shapes: Shapes) -> Arguments:
    stem = "pyramid.visual_stem."
    first = shapes[f"{stem}embedding.convs.0.conv.weight"]
    return _heads(shapes) | {
        "visual_dim": first[1],
        "audio_dim": shapes["pyramid.audio_stem.embedding.convs.0.conv.weight"][1],
        "pyramid.dim": first[0],
        "pyramid.embedding_layers": count(shapes, f"{stem}embedding.convs."),
        "pyramid.stem_layers": count(shapes, f"{stem}blocks."),
        "pyramid.levels": count(shapes, "pyramid.visual_levels."),
        "pyramid.kernel_size": first[2],
        "pyramid.norm": f"{stem}embedding.norms.0.weight" in shapes,
        "pyramid.drop_path": _drop_path(shapes),
    }


def _heads(shapes: Shapes) -> Arguments:
    hidden = shapes["regress.hidden.convs.0.conv.weight"]
    return {
        "head.dim": hidden[0],
        "head.layers": count(shapes, "regress.hidden.convs.") + 1,
        "head.kernel_size": hidden[2],
        "head.norm": "regress.hidden.norms.0.weight" in shapes,
        "head.class_aware": True,
    }


def _classes(shapes: Shapes) -> Arguments:
    classes = shapes["classify.out.conv.weight"][0]
    return {"num_classes": classes, "head.class_aware": shapes["regress.out.conv.weight"][0] == 2 * classes > 2}


def _drop_path(shapes: Shapes) -> float:
    """Return the published probability where branches have the scales that come with it."""
    return DROP_PATH if any(name.endswith(".drop_attention.scale") for name in shapes) else 0.0


def _published_task(task: str, classes: int) -> dict[str, Any]:
    """Return what is published about a task, without names if they are those of other classes."""
    known = UNIAV_TASKS.get(task, {})
    return {name: value for name, value in known.items() if name != "class_names" or len(value) == classes}
