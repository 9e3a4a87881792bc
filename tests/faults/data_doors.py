"""The readers of data from outside, each with a good input and with what makes bad ones of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from rich.console import Console

from avel.batch import TimeGrid
from avel.data.activitynet13 import ActivityNet13
from avel.data.annotations import check_annotations, read_annotations
from avel.data.ave import AVE
from avel.data.ave_annotations import read_ave_annotations
from avel.data.class_names import read_class_names
from avel.data.class_scores import read_class_scores
from avel.data.custom import CustomData, read_custom
from avel.data.desed import DESED
from avel.data.families import FeatureFamily
from avel.data.features import FeatureFolder
from avel.data.formats.completion import Seen
from avel.data.inspection.report import inspect_annotations
from avel.data.inspection.start import check_at_start
from avel.data.inspection.tables import show_report
from avel.data.manifest import manifest_of, read_manifest
from avel.data.npy_folder import NpyFolder
from avel.data.packing import pack
from avel.data.prompts import read_prompts, write_prompts
from avel.data.synthetic_ave import SyntheticAVEOptions, write_ave
from avel.data.synthetic_dense import SyntheticDenseOptions, write_dense
from avel.errors import UserError
from avel.events import Event
from avel.exchange.audacity import write_labels
from avel.exchange.elan import elan_text
from tests.faults.array_mutations import mutate_h5, mutate_npy
from tests.faults.mutations import mutate_json, mutate_table, mutate_text, mutate_xml

FAMILY = FeatureFamily(("_v.npy",), ("_a.npy",), TimeGrid(fps=8, stride=4, window=8), max_length=64, folder="")
EVENTS = [Event("a", 0.0, 1.5, "dog (big)", 0.5), Event("a", 1.0, 3.0, "cat"), Event("a", 1.2, 2.0, "cat", 0.25)]
DATABASE = {
    "a": {
        "subset": "Training",
        "duration": 10.0,
        "fps": 25,
        "annotations": [
            {"segment": [0.0, 2.5], "label": "dog", "label_id": 0},
            {"segment": [2, 3], "label": "cat", "label_id": 1},
        ],
        "only_heard": [{"segment": [5, 6], "label": "cat"}, {"segment": [7, 8]}],
    },
    "b": {"subset": "val", "duration": 4, "annotations": [], "url": "x"},
    "c": {"subset": "test", "duration": 4, "annotations": [{"segment": [1, 2], "label": "dog", "label_id": 0}]},
}
TASKS = [
    {
        "id": 1,
        "data": {"audio": "/data/upload/1/0123abcd-a.wav", "subset": "train", "duration": 9},
        "annotations": [
            {"result": [{"value": {"start": 0, "end": 1.5, "labels": ["dog"]}, "original_length": 9}]},
            {"was_cancelled": True, "result": []},
        ],
    },
    {
        "id": 2,
        "data": {"video": "/data/local-files/?d=b.mp4", "fps": 25, "subset": "test"},
        "annotations": [
            {
                "result": [
                    {"value": {"ranges": [{"start": 3, "end": 50}], "timelinelabels": ["cat"]}},
                    {
                        "value": {
                            "sequence": [{"frame": 1, "enabled": True}, {"frame": 9, "enabled": False}],
                            "labels": ["dog"],
                            "framesCount": 100,
                            "duration": 4,
                        }
                    },
                ]
            }
        ],
    },
]
TABLE = "video,start,end,label,subset,duration\na,0,1.5,dog,train,10\na,2,3,cat,,\nb,,,,test,5\nc,1,2,dog,val,4\n"


@dataclass(frozen=True)
class Door:
    """A way for data to come in.

    Attributes:
        file: what is damaged, in the folder.
        write: writes a good folder.
        damage: damages the file, which is good before.
        read: reads the folder.
        names: what messages name, if it is not the file.
    """

    file: str
    write: Callable[[Path], object]
    damage: Callable[[Path, Random], object]
    read: Callable[[Path], object]
    names: str = ""

    @property
    def cheap(self) -> bool:
        """Whether it takes no time to write a good folder."""
        return self.write not in (write_small_ave, write_small_desed, write_own)


def json_door(file: str, document: object, read: Callable[[Path], object]) -> Door:
    """Return a door for one JSON file."""
    return Door(
        file,
        lambda folder: (folder / file).write_text(json.dumps(document)),
        lambda path, random: path.write_bytes(mutate_json(json.loads(path.read_text()), random)),
        lambda folder: read(folder / file),
    )


def text_door(
    file: str, text: str, mutate: Callable[[str, Random], bytes], read: Callable[[Path], object], names: str = ""
) -> Door:
    """Return a door for one file of text."""
    return Door(
        file,
        lambda folder: (folder / file).write_text(text),
        lambda path, random: path.write_bytes(mutate(path.read_text(), random)),
        lambda folder: read(folder / file),
        names,
    )


def read_own(path: Path) -> object:
    """Read annotations as `CustomData` does."""
    return check_annotations(read_custom(path, lambda video: Seen(5.0, 1.0)), path, rules=CustomData.rules)


def check_own(path: Path) -> None:
    """Look through annotations and show what was found, as `scripts/check_dataset.py` does."""
    report = inspect_annotations(path)
    Console(file=io.StringIO(), width=100).print(*show_report(report, all_classes=True))
    for finding in report.findings:
        if finding.level == "error":
            raise UserError(f"{path}: {finding.what}")


def read_features(folder: Path) -> object:
    """Read features as training does, whatever the files are, and look at their headers first."""
    features = FeatureFolder(folder, FAMILY)
    videos = features.require(["a", "b"])
    features.check(videos, visual_dim=features.shape("a").visual_dim, audio_dim=features.shape("a").audio_dim)
    features.expect(videos)
    return [features.load(video) for video in videos]


def start_on_own(folder: Path) -> object:
    """Read a data set of one's own as a run does: look through it first, then take samples."""
    data, splits = (
        CustomData(annotations=folder / "a.csv", feature_dir=folder, selection_split="test"),
        ("train", "test"),
    )
    told = check_at_start(data.by_task(), splits, "full", "python check.py")
    return told, data.facts(), [data.dataset(split, training=split == "train")[0, 0] for split in splits]


def read_ave(folder: Path) -> object:
    """Read AVE as training with weak supervision does."""
    data = AVE(root=folder, supervision="weak")
    data.prepare("train")
    samples = data.dataset("train", training=True)
    return samples.__getitems__([0, len(samples) - 1]), data.targets("test"), data.snippet_labels("test")


def write_features(folder: Path) -> None:
    """Write features of two videos."""
    random = np.random.default_rng(0)
    for video in "ab":
        for ending, width in (("_v.npy", 3), ("_a.npy", 2)):
            np.save(folder / f"{video}{ending}", random.normal(size=(5, width)).astype(np.float32))


def write_own(folder: Path) -> None:
    """Write annotations and features of two videos, and what the latter are."""
    write_features(folder)
    (folder / "manifest.json").write_text(json.dumps(manifest_of(FAMILY)))
    (folder / "a.csv").write_text("video,start,end,label,subset\na,0,1.5,dog,train\na,1,2,cat,\nb,0,1,cat,test\n")


def write_packed(folder: Path) -> None:
    """Write features of two videos into one file."""
    write_features(folder)
    pack(NpyFolder(folder, FAMILY), ["a", "b"], manifest_of(FAMILY), folder / "features.h5")
    for path in folder.glob("*.npy"):
        path.unlink()


def write_small_ave(folder: Path) -> None:
    """Write AVE with five videos."""
    write_ave(folder, SyntheticAVEOptions(videos=30, classes=3, background_videos=2, visual_dim=2, audio_dim=2))


def write_small_desed(folder: Path) -> None:
    """Write DESED with twelve clips."""
    write_dense(folder, "desed", SyntheticDenseOptions(videos=30, classes=3, visual_dim=2, audio_dim=2))


def write_proposals(folder: Path) -> None:
    """Write the list of BSN and BMN."""
    (folder / "annotations").mkdir()
    listed = {
        f"v_{video}": {"duration_second": 9, "annotations": entry["annotations"]} for video, entry in DATABASE.items()
    }
    (folder / "annotations/anet_anno_action.json").write_text(json.dumps(listed))
    rows = "".join(f"v_{video},1,2,3,training\n" for video in DATABASE)
    (folder / "annotations/video_info_new.csv").write_text("video,numFrame,seconds,fps,subset\n" + rows)


def write_small_prompts(folder: Path) -> None:
    """Write prompts of two classes."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    write_prompts(folder / "prompts.npy", rows, ["dog", "cat"], sentences=["a dog", "a cat"], encoder="none")


def write_elan(folder: Path) -> None:
    """Write a document of ELAN."""
    (folder / "a.eaf").write_text(elan_text(EVENTS))


def change_table(separator: str) -> Callable[[Path, Random], object]:
    """Return what damages a table."""
    return lambda path, random: path.write_bytes(mutate_table(path.read_text(), random, separator))


def change_npy(path: Path, random: Random) -> None:
    """Damage a `.npy` file."""
    path.write_bytes(mutate_npy(path.read_bytes(), random))


def ave_door(file: str) -> Door:
    """Return a door for one of the arrays of AVE."""
    return Door(file, write_small_ave, mutate_h5, read_ave, names="/")


DOORS = {
    "UnAV-100's annotations": json_door("a.json", {"version": "1", "database": DATABASE}, read_annotations),
    "ActivityNet's layout": json_door("a.json", {"database": DATABASE}, read_own),
    "Label Studio": json_door("a.json", TASKS, read_own),
    "manifest": json_door("manifest.json", manifest_of(FAMILY), lambda path: read_manifest(path.parent)),
    "manifest of a run": Door(
        "manifest.json",
        write_own,
        lambda path, random: path.write_bytes(mutate_json(json.loads(path.read_text()), random)),
        start_on_own,
        "/",
    ),
    "table of a run": Door("a.csv", write_own, change_table(","), start_on_own, "/"),
    "classes as JSON": json_door("a.json", {"classes": ["dog", "cat"]}, read_class_names),
    "classes of annotations": json_door("a.json", {"database": DATABASE}, read_class_names),
    "classes as lines": text_door("a.txt", "dog\ncat\nbird\n", mutate_text, read_class_names),
    "class scores": json_door(
        "a.json",
        {"results": {"a": [0.5, 0.25]}, "class": ["dog", "cat"]},
        lambda path: read_class_scores(path, ["dog", "cat"]),
    ),
    "table": text_door("a.csv", TABLE, mutate_table, read_own),
    "table, inspected": text_door("a.csv", TABLE, mutate_table, check_own, ""),
    "ActivityNet's layout, inspected": json_door("a.json", {"database": DATABASE}, check_own),
    "Audacity": Door(
        "a.txt",
        lambda folder: write_labels(folder / "a.txt", EVENTS),
        change_table("\t"),
        lambda folder: read_own(folder / "a.txt"),
    ),
    "ELAN": Door(
        "a.eaf",
        write_elan,
        lambda path, random: path.write_bytes(mutate_xml(path.read_text(), random)),
        lambda folder: read_own(folder / "a.eaf"),
    ),
    "a folder of ELAN": Door(
        "a.eaf", write_elan, lambda path, random: path.write_bytes(mutate_xml(path.read_text(), random)), read_own, "/"
    ),
    "AVE's annotations": text_door(
        "Annotations.txt",
        "Bark&abc&good&0&10\nHorn&def&good&2&7\n",
        lambda text, random: mutate_table(text, random, "&"),
        lambda path: read_ave_annotations(path, snippets=10),
    ),
    "DESED's events": Door(
        "metadata/eval/public.tsv",
        write_small_desed,
        change_table("\t"),
        lambda folder: DESED(root=folder).annotations,
        "metadata",
    ),
    "DESED's lengths": Door(
        "metadata/eval/public_meta.tsv",
        write_small_desed,
        change_table("\t"),
        lambda folder: DESED(root=folder).annotations,
        "metadata",
    ),
    "ActivityNet's cleaned list": Door(
        "annotations/anet_anno_action.json",
        write_proposals,
        lambda path, random: path.write_bytes(mutate_json(json.loads(path.read_text()), random)),
        lambda folder: ActivityNet13(root=folder).annotations,
    ),
    "ActivityNet's table of videos": Door(
        "annotations/video_info_new.csv",
        write_proposals,
        change_table(","),
        lambda folder: ActivityNet13(root=folder).annotations,
        "annotations/",
    ),
    "npy features": Door("a_v.npy", write_features, change_npy, read_features, "/"),
    "packed features": Door("features.h5", write_packed, mutate_h5, read_features, "/"),
    "prompts": Door(
        "prompts.npy", write_small_prompts, change_npy, lambda folder: read_prompts(folder / "prompts.npy")
    ),
    "names of prompts": Door(
        "prompts.json",
        write_small_prompts,
        lambda path, random: path.write_bytes(mutate_json(json.loads(path.read_text()), random)),
        lambda folder: read_prompts(folder / "prompts.npy", ["dog", "cat"]),
        "prompts",
    ),
    "AVE's sound": ave_door("audio_feature.h5"),
    "AVE's pictures": ave_door("visual_feature.h5"),
    "AVE's background": ave_door("audio_feature_noisy.h5"),
    "AVE's order": ave_door("train_order.h5"),
    "AVE's labels": ave_door("labels.h5"),
    "AVE's labels of videos": ave_door("mil_labels.h5"),
}
