from types import SimpleNamespace

import pytest
import torch

from avel.errors import UserError
from avel.events import Event, EventTable
from avel.tasks.run_report import find_videos, read_run, short_names, write_run_report
from avel.training.files import write_json
from tests.unit.report.test_compare import RESULTS
from tests.unit.report.test_page import Parsed

TRUTH = {"v0": [(0, 4, 0)], "v1": [(2, 6, 1), (7, 9, 0)], "v2": []}
NAMES = ["bark", "talk"]
CELLS = {"v0": [0] * 4 + [2] * 6, "v1": [2, 2, 1, 1, 1, 1, 2, 2, 2, 2], "v2": [2] * 10}


class Data:
    """Three videos of ten seconds, dense or second by second."""

    class_names = NAMES
    tiou_grid = (0.5, 0.9)
    snippet_seconds = 1.0

    def __init__(self, truth=TRUTH):
        self.truth = truth

    def by_task(self):
        return {"": self}

    def targets(self, split):
        return {
            video: {
                "video_id": video,
                "segments": torch.tensor([row[:2] for row in rows], dtype=torch.float64).reshape(-1, 2),
                "labels": torch.tensor([row[2] for row in rows], dtype=torch.int64),
            }
            for video, rows in self.truth.items()
        }

    def durations(self, split):
        raise AssertionError("needs features, which may have been removed by now")

    def annotated_durations(self, split):
        return dict.fromkeys(self.truth, 10.0)

    def one_sided(self, split):
        return {}

    def snippet_labels(self, split):
        return {video: torch.tensor(cells) for video, cells in CELLS.items()}


EXACT = [Event(v, a, b, NAMES[c], 0.9) for v, rows in TRUTH.items() for a, b, c in rows]
SWAPPED = [Event(e.video, e.start, e.end, NAMES[1 - NAMES.index(e.label)], 0.8) for e in EXACT]


def write_run(folder, events=EXACT, **results):
    (folder / "predictions").mkdir(parents=True)
    EventTable(list(events), [*TRUTH]).write_json(folder / "predictions" / "test.json")
    known = {"monitor": "map", "videos": {"evaluated": 3, "annotated": 3}, "tiou_grid": [0.5, 0.9], "metrics": {}}
    write_json(folder / "results.json", RESULTS | known | results)
    return folder


def written(tmp_path, *folders, data=None, **options):
    write_run_report(tmp_path / "report.html", [read_run(folder) for folder in folders], data or Data(), **options)
    return Parsed(tmp_path / "report.html").data


def section(tmp_path, *folders, **options):
    (only,) = written(tmp_path, *folders, **options)["sections"]
    return only


def test_a_perfect_run(tmp_path):
    folder = write_run(tmp_path / "run", metrics={"test/map": 1.0, "test/map@0.50": 1.0, "baseline/x/map": 0.5})
    made = section(tmp_path, folder)
    assert made["scores"] == {"map": [10000], "map@0.50": [10000]}
    assert made["notes"] == []
    assert made["precision"]["ap"] == [[[10000, 10000]] * 2]
    assert set(made["precision"]["curves"][0][0][0]) == {10000}
    assert [column["values"][0] for column in made["columns"]] == [[2, 1], [2, 1], [10000, 10000]]
    (errors,) = made["errors"]
    assert (errors["ap"], errors["predictions"], errors["missed"]["count"]) == (10000, 3, 0)
    (found,) = made["gallery"]["found"]
    assert found["quality"] == [10000, 10000, None]
    assert found["kinds"] == ["0", "00", ""]
    assert found["events"][1] == [200, 400, 1, 9000, 700, 200, 0, 9000]
    assert made["gallery"]["truth"] == [[0, 400, 0], [200, 400, 1, 700, 200, 0], []]


def test_wrong_classes_are_found_out(tmp_path):
    made = section(tmp_path, write_run(tmp_path / "run", SWAPPED))
    (found,) = made["gallery"]["found"]
    assert {made["gallery"]["kinds"][int(kind) - 1] for kind in "".join(found["kinds"])} == {"class"}
    assert found["quality"] == [0, 0, None]


def test_annotations_that_have_changed_are_told(tmp_path):
    made = section(tmp_path, write_run(tmp_path / "run", metrics={"test/map": 0.5}))
    assert "was 50.00% in the run and is 100.00%" in made["notes"][0]


def test_runs_are_compared_with_the_first(tmp_path):
    folders = [write_run(tmp_path / "a" / "1", SWAPPED), write_run(tmp_path / "a" / "2")]
    document = written(tmp_path, *folders, resamples=20)
    assert [run["name"] for run in document["runs"]] == ["a/1", "a/2"]
    (made,) = document["sections"]
    assert made["differences"][0]["difference"] == 10000
    assert len(made["errors"]) == len(made["gallery"]["found"]) == 2


def test_supervision_may_differ(tmp_path):
    folders = [write_run(tmp_path / "1", data="ave"), write_run(tmp_path / "2", data="ave_weak")]
    assert len(section(tmp_path, *folders, resamples=5)["differences"]) == 1


def test_data_that_lost_a_video_are_told(tmp_path):
    folder = write_run(tmp_path / "run")
    with pytest.raises(UserError, match="'v1' .* is not in the test split any more"):
        written(tmp_path, folder, data=Data({"v0": [], "v2": []}))


def test_a_class_that_seconds_have_no_more_is_told(tmp_path):
    folder = write_run(tmp_path / "run", [Event("v0", 0, 4, "growl", 0.9)], monitor="accuracy")
    with pytest.raises(UserError, match="'growl' was predicted, but is no class"):
        written(tmp_path, folder)


def test_runs_on_other_data_are_not_compared(tmp_path):
    one, other = write_run(tmp_path / "1"), write_run(tmp_path / "2", data="desed")
    with pytest.raises(UserError, match="judged on different data"):
        written(tmp_path, one, other)
    EventTable(EXACT[:1]).write_json(one / "predictions" / "test.json")
    with pytest.raises(UserError, match="predicted different videos"):
        written(tmp_path, one, write_run(tmp_path / "3"))


def test_seconds_are_counted(tmp_path):
    events = [Event("v0", 0, 4, "bark", 0.9), Event("v1", 2, 5, "bark", 0.5)]
    folder = write_run(tmp_path / "run", events, monitor="accuracy", metrics={"test/accuracy": 26 / 30})
    made = section(tmp_path, folder)
    assert made["classes"] == ["bark", "talk", "background"]
    assert made["confusion"] == [[[0, 0, 4], [1, 0, 3], [1, 2, 1], [2, 2, 22]]]
    assert made["gallery"]["found"][0]["quality"] == [10000, 6000, 10000]
    assert [column["values"][0] for column in made["columns"]] == [
        [4, 4, 22], [7, 0, 23], [10000, 0, 10000], [5714, None, 9565],
    ]  # fmt: skip
    right = sum(count for true, given, count in made["confusion"][0] if true == given)
    assert made["scores"]["accuracy"] == [round(10000 * right / 30)]


def test_answers_are_compared_with_the_event(tmp_path):
    queries = [Event("v0", 0, 4, "audio to visual: bark", 0.5), Event("v0", 3, 7, "visual to audio: bark", 0.5)]
    folder = write_run(tmp_path / "run", queries, monitor="matching", metrics={"test/matching": 0.5})
    made = section(tmp_path, folder)
    assert made["gallery"]["found"][0]["quality"] == [5000, None, None]
    assert made["gallery"]["labels"] == [*NAMES, "audio to visual: bark", "visual to audio: bark"]


def test_tasks_have_sections(tmp_path):
    of_task = {"videos": {"evaluated": 3, "annotated": 3}, "tiou_grid": [0.5, 0.9]}
    metrics = {"test/map": 0.8, "test/x/map": 1.0, "test/y/map": 1.0}
    baselines = {"x": {"most frequent everywhere": {"map": 0.1}}, "y": {}}
    folder = write_run(tmp_path / "run", tasks={"x": of_task, "y": of_task}, metrics=metrics, baselines=baselines)
    for task in "xy":
        EventTable(EXACT, [*TRUTH]).write_json(folder / "predictions" / task / "test.json")
    data = SimpleNamespace(by_task=lambda: {"x": Data(), "y": Data()})
    first, second = written(tmp_path, folder, data=data)["sections"]
    assert (first["task"], second["task"]) == ("x", "y")
    assert first["scores"] == {"map": [10000]}
    assert first["baselines"] == {"most frequent everywhere": {"map": 1000}}


def test_of_too_many_predictions_the_surest_are_kept(tmp_path):
    events = [Event("v0", k, k + 1, "bark", 0.1 * k) for k in range(1, 9)]
    made = section(tmp_path, write_run(tmp_path / "run", events), most_predictions=5)["gallery"]
    assert (made["most"], made["left_out"]) == (5, 3)
    assert made["found"][0]["events"][0][3::4] == [8000, 7000, 6000, 5000, 4000]


def test_a_split_without_events_has_a_report(tmp_path):
    made = section(tmp_path, write_run(tmp_path / "run", []), data=Data(dict.fromkeys(TRUTH, [])))
    assert made["precision"]["curves"] == [[None, None]]
    assert made["gallery"]["found"][0]["quality"] == [None] * 3


@pytest.mark.parametrize(
    ("results", "message"), [({"stage": "predict"}, "nothing was judged"), ({"split": "x"}, r"x\.json cannot be read")]
)
def test_what_was_not_judged_has_none(tmp_path, results, message):
    with pytest.raises(UserError, match=message):
        read_run(write_run(tmp_path / "run", **results))


def test_an_unfinished_run_has_none(tmp_path):
    with pytest.raises(UserError, match=r"no results\.json"):
        read_run(tmp_path)
    (tmp_path / "report.html").touch()
    with pytest.raises(UserError, match=r"give the folder of a run"):
        read_run(tmp_path / "report.html")


@pytest.mark.parametrize(
    ("results", "what"),
    [
        ({"metrics": {}}, "lacks data, stage, split, videos, tiou_grid"),
        ({"data": "x", "stage": "fit", "split": "test", "metrics": {}, "tasks": {"x": {}}}, "videos, tiou_grid"),
        (
            RESULTS | {"videos": {"evaluated": 0, "annotated": 0}, "tiou_grid": [0.5], "monitor": "beauty"},
            "is about beauty",
        ),
    ],
)
def test_results_of_another_version_are_told(tmp_path, results, what):
    write_json(tmp_path / "results.json", results)
    with pytest.raises(UserError, match=f"{what}.* another version"):
        read_run(tmp_path)


def test_videos_are_found_and_ids_lead_nowhere_else(tmp_path):
    folder = tmp_path / "my videos"
    folder.mkdir()
    (tmp_path / "outside.mp4").touch()
    for name in ("a#1.mp4", "b.webm", "c.txt"):
        (folder / name).touch()
    found = find_videos(folder, ["a#1", "b", "c", "../outside", "/etc/passwd"], tmp_path / "run" / "report.html")
    assert found == {"a#1": "../my%20videos/a%231.mp4", "b": "../my%20videos/b.webm"}
    with pytest.raises(UserError, match="no such folder"):
        find_videos(tmp_path / "none", ["a"], tmp_path / "report.html")


def test_names_are_as_short_as_they_differ(tmp_path):
    def names(*folders):
        return short_names([SimpleNamespace(folder=tmp_path / folder) for folder in folders])

    assert names("logs/unav/1") == ["1"]
    assert names("logs/unav/1", "logs/unav/2") == ["unav/1", "unav/2"]
    assert names("logs/unav/1", "logs/ccnet/1") == ["unav/1", "ccnet/1"]
