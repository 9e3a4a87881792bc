import json

import pytest
import torch

from avel.errors import UserError
from avel_bench.groups import GROUPS
from avel_bench.running import run, show_groups
from avel_bench.settings import Settings

NARROW = Settings(size="narrow", repeats=2, videos=40)


def test_a_group_is_measured_shown_and_stored(console, tmp_path):
    run(["targets"], NARROW, tmp_path / "new" / "x.json", console)
    found = json.loads((tmp_path / "new" / "x.json").read_text())
    assert found["versions"]["torch"] == torch.__version__
    assert found["machine"]["cores"] >= 1
    assert (found["settings"]["device"], found["settings"]["threads"], found["settings"]["repeats"]) == ("cpu", 1, 2)
    assert found["date"].endswith("+00:00")
    assert {row["group"] for row in found["rows"]} == {"targets"}
    for row in found["rows"]:
        assert row["name"] in console.file.getvalue()
        assert len(row["samples"]) == 2
        assert row["spread"] == {"min": min(row["samples"]), "max": max(row["samples"])}
        assert row["median"] == pytest.approx(sum(row["samples"]) / 2)


def test_groups_are_listed(console):
    show_groups(console)
    assert [line.split()[0] for line in console.file.getvalue().splitlines()] == [*GROUPS]


def test_unknown_groups_are_told(console):
    with pytest.raises(UserError, match="--only=nsm: unknown, choose one of step, targets, nms"):
        run(["targets", "nsm"], NARROW, None, console)
    assert console.file.getvalue() == ""


def test_results_do_not_replace_a_folder(console, tmp_path):
    with pytest.raises(UserError, match="is a folder, give the name of a file"):
        run(["targets"], NARROW, tmp_path, console)


def test_what_cannot_be_written_is_told_before_anything_is_measured(console, tmp_path):
    (tmp_path / "a file").touch()
    with pytest.raises(UserError, match="--json .*x.json: cannot be written .*: choose another place"):
        run(["targets"], NARROW, tmp_path / "a file" / "x.json", console)
    assert console.file.getvalue() == ""


def test_the_metric_is_told_what_is_multiplied(console, screen):
    rows = list(GROUPS["metric"].on_cpu(Settings(size="narrow", repeats=1, warmup=0), screen))
    assert [row.name for row in rows if row.unit == "ms"] == [
        "mAP, 20 videos x 100 predictions",
        "mAP, 200 videos x 100 predictions, 10 times the videos",
        "mAP, 20 videos x 1,000 predictions, 10 times the predictions of each video",
    ]
    assert [row.unit for row in rows[3:]] == ["x", "x"]


def test_the_metric_reads_the_annotations_of_unav100(screen, tmp_path):
    path = tmp_path / "a.json"
    video = {"subset": "test", "annotations": [{"segment": [1.0, 2.0], "label_id": 3}]}
    path.write_text(json.dumps({"database": {"a": video, "b": video | {"subset": "train"}}}))
    settings = Settings(size="narrow", repeats=1, warmup=0, annotations=path)
    assert next(GROUPS["metric"].on_cpu(settings, screen)).name == "mAP, 1 videos x 100 predictions"
    path.write_text("[]")
    with pytest.raises(UserError, match="is no annotation file of UnAV-100"):
        list(GROUPS["metric"].on_cpu(settings, screen))


def test_decoders_find_as_many_candidates_as_rows_say():
    from avel_bench.suppression import works_of

    for work in works_of(60, "cpu"):
        if work.name.startswith("decode"):
            decoder, prediction, points, _ = work.run.args
            assert decoder.candidates(prediction, points).valid.sum(dim=1).tolist() == [60] * work.videos


@pytest.mark.slow  # processes of their own import torch
@pytest.mark.parametrize("group", sorted(GROUPS.keys() - {"step"}))
def test_every_group_gives_rows(group, screen):
    rows = list(GROUPS[group].on_cpu(NARROW, screen))
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.median >= 0 and row.samples for row in rows)


def test_files_are_gone_afterwards(screen, tmp_path):
    settings = Settings(size="narrow", repeats=1, videos=3, folder=tmp_path)
    rows = list(GROUPS["features"].on_cpu(settings, screen))
    assert [*tmp_path.iterdir()] == []
    assert {row.unit for row in rows} == {"videos/s", "MiB", "x"}


@pytest.mark.slow
def test_steps_are_measured_and_profiled(screen, tmp_path):
    settings = Settings(size="narrow", repeats=1, warmup=0, profile=tmp_path / "traces")
    units = [row.unit for row in GROUPS["step"].on_cpu(settings, screen)]
    ccnet = ["MiB", "MiB", "x", "ms/step", "ms/step", "x"]
    unav = ["MiB", "MiB", "x", "ms/step", "ms/step", "ms/step", "ms/step", "x", "x"]  # it crops padding, too
    assert units == ccnet + unav
    traces = sorted((tmp_path / "traces").iterdir())
    assert len(traces) == units.count("ms/step")
    for trace in traces:
        assert any("conv" in event["name"] for event in json.loads(trace.read_text())["traceEvents"])


def test_groups_without_part_on_a_gpu_are_left_out_in_a_line(console, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("avel_bench.running.machine", lambda on_gpu: {})
    run(["metric", "features"], Settings(device="cuda", size="narrow"), None, console)
    assert console.file.getvalue().splitlines()[1:] == [
        "metric: left out, a GPU has no part in it",
        "features: left out, a GPU has no part in it",
    ]
