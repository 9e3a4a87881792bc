"""The readers of ActivityNet-1.3, DESED, THUMOS14 and UnAV-100 against those of UniAV and ActionFormer."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from torch.testing import assert_close

from avel.batch import TimeGrid
from avel.data.activitynet13 import ActivityNet13
from avel.data.desed import DESED
from avel.data.families import FAMILIES, FeatureFamily
from avel.data.thumos14 import Thumos14
from avel.data.transforms import RandomCrop
from avel.data.unav100 import UnAV100
from tests.reference.loader import Case, find_cases

ENDINGS = (FAMILIES["one_peace"].visual, FAMILIES["one_peace"].audio)
SINGLE_STREAM = ((".npy",), ())


@dataclass(frozen=True)
class Part:
    """What a case says about one reader: annotations and options in the released words, and names of its tensors."""

    case: Case
    task: str
    options: dict[str, Any]
    database: dict[str, Any]

    @property
    def facts(self):
        return self.options["dataset"]

    @property
    def reader(self):
        tasks = {"TAL": ActivityNet13, "AVEL": UnAV100, "SED": DESED, "anet": ActivityNet13, "thumos": Thumos14}
        return tasks[self.task]

    @property
    def is_uniav(self):
        return self.task.isupper()

    def find(self, name):
        """Tensor of a name like `data_eval.{video}.len`; UniAV's also say the task."""
        kind, rest = name.split(".", 1)
        return self.case.tensors[f"{kind}.{self.task}.{rest}" if self.is_uniav else name]

    def family(self):
        facts = self.facts
        visual, audio = ENDINGS if self.is_uniav else SINGLE_STREAM
        return FeatureFamily(
            visual=visual,
            audio=audio,
            grid=TimeGrid(fps=facts["default_fps"], stride=facts["feat_stride"], window=facts["num_frames"]),
            max_length=facts["max_seq_len"],
            prefix=facts.get("file_prefix") or "",
        )

    def crop(self):
        ratio = self.case.config["crop_ratio"]
        ratio = ratio[self.task] if self.is_uniav else ratio
        clip_first = self.reader.training_crop.clip_first
        return RandomCrop(ratio and tuple(ratio), self.facts["trunc_thresh"], "half_window", clip_first)

    def crop_seed(self):
        seed = self.case.config["crop_seed"]
        return seed[self.task] if self.is_uniav else seed

    def __str__(self):
        return f"{self.case}-{self.task}"


def parts():
    for case in find_cases(kind="dense", methods=("UniAV",)):
        for task, options in case.config["tasks"].items():
            yield Part(case, task, options, case.config["annotations"][task]["database"])
    for case in find_cases(kind="dense", methods=("ActionFormer",)):
        yield Part(case, case.config["dataset_name"], case.config, case.config["annotations"]["database"])


def write_annotations(root, part):
    """Write a case's annotations in the files of its data set."""
    names = {ActivityNet13: "activity_net.v1-3.min", UnAV100: "unav100_annotations", Thumos14: "thumos14"}
    if part.reader is not DESED:
        (root / "annotations").mkdir()
        path = root / "annotations" / f"{names[part.reader]}.json"
        path.write_text(json.dumps({"database": part.database}))
        return
    for folder in ("validation", "eval"):
        (root / "metadata" / folder).mkdir(parents=True)
    header = "filename\tonset\toffset\tevent_label\n"
    (root / "metadata/validation/validation.tsv").write_text(f"{header}nothing.wav\t\t\t\n")
    rows = [
        f"{video}.wav\t{event['segment'][0]}\t{event['segment'][1]}\t{event['label']}\n"
        for video, entry in part.database.items()
        for event in entry["annotations"]
    ]
    (root / "metadata/eval/public.tsv").write_text(header + "".join(rows))
    lengths = [f"{video}.wav\t{entry['duration']}\n" for video, entry in part.database.items()]
    (root / "metadata/eval/public_meta.tsv").write_text("filename\tduration\n" + "".join(lengths))


def write_features(root, part):
    family = part.family()
    (root / family.folder).mkdir()
    streams = {"visual": ENDINGS[0][0], "audio": ENDINGS[1][0]} if part.is_uniav else {"feats": ".npy"}
    for video in part.database:
        for stream, ending in streams.items():
            path = root / family.folder / f"{family.prefix}{video}{ending}"
            np.save(path, part.find(f"in.{video}.{stream}").numpy())


@pytest.fixture(scope="module", params=list(parts()), ids=str)
def part(request):
    return request.param


@pytest.fixture(scope="module")
def data(part, tmp_path_factory):
    """Our reader on the case's files, which hold one split."""
    root = tmp_path_factory.mktemp("case")
    write_annotations(root, part)
    write_features(root, part)

    class Reader(part.reader):
        families = {"case": part.family()}

    # the ids that the case gives, also where no video shows a class
    labels = {event["label_id"]: event["label"] for e in part.database.values() for event in e["annotations"]}
    names = [labels.get(label, f"class {label}") for label in range(max(labels) + 1)]
    resize = part.facts.get("force_upsampling", False) and part.reader is ActivityNet13
    return Reader(root=root, class_names=names, resize=resize, beyond="keep", crop=part.crop(), selection_split="test")


@pytest.fixture(scope="module")
def samples(data):
    """Whole videos in the order of the case."""
    split = next(split for split in ("test", "train") if data.annotations.split(split))
    return {sample.video: sample for sample in data.dataset(split, training=False)}


def check(part, sample, kind):
    """Compare what both modes store."""

    def expect(name):
        return part.find(f"{kind}.{sample.video}.{name}")

    assert len(sample.visual) == len(sample.audio) == expect("len")
    assert_close(sample.segments, expect("segments_grid"), **part.case.tolerance)
    if part.facts["num_classes"] > 1:  # class-agnostic proposals are all labelled 0
        assert sample.labels.tolist() == expect("labels").tolist()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_whole_videos(part, samples):
    assert list(samples) == list(part.database)
    for video, sample in samples.items():
        check(part, sample, "data_eval")
        assert sample.grid.stride == pytest.approx(float(part.find(f"data_eval.{video}.feat_stride")))
        assert sample.grid.window == pytest.approx(float(part.find(f"data_eval.{video}.feat_num_frames")))
        assert sample.duration == part.database[video]["duration"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_resized_features(part, samples):
    compared = 0
    for video, sample in samples.items():
        for stream in ("visual", "audio"):
            name = f"data_eval.{part.task}.{video}.{stream}_resized"
            if name in part.case.tensors:
                assert_close(getattr(sample, stream), part.case.tensors[name].T, **part.case.tolerance)
                compared += 1
    assert compared == (2 * len(samples) if part.task == "TAL" else 0)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_crops(part, data, samples):
    random = Random(part.crop_seed())
    for video, sample in samples.items():
        cropped = data.crop(sample, max_length=data.max_length, random=random)
        check(part, cropped, "data_train")
        features = part.find(f"data_train.{video}.{'visual' if part.is_uniav else 'feats'}")
        assert_close(cropped.visual, features.T, **part.case.tolerance)
