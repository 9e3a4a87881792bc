import json
import random

import pytest

from avel.errors import UserError
from avel.report.published import Literature, PublishedResult
from avel.report.results_table import (
    BEGIN,
    END,
    changes,
    choose_runs,
    grid_name,
    measured,
    put_between,
    read_record,
    record,
    representative,
    write_table,
)

GRID = [round(0.1 * step, 1) for step in range(1, 10)]


def run(*overrides, score=0.5, seed=0, **other):
    return {
        "experiment": "ccnet_unav100",
        "tiou_grid": GRID,
        "videos": {"evaluated": 2167, "annotated": 2167},
        "stage": "fit",
        "split": "test",
        "monitor": "map",
        "selection_split": "validation",
        "seed": seed,
        "overrides": ["experiment=ccnet_unav100", f"seed={seed}", *overrides],
        "metrics": {"test/map": score, "test/map@0.50": 0.9, "baseline/trivial/map": 0.01},
    } | other


TASKS = run(
    tasks={
        "unav100": {"tiou_grid": GRID, "videos": {"evaluated": 2167, "annotated": 2167}},
        "desed": {"tiou_grid": [0.5, 0.75], "videos": {"evaluated": 10, "annotated": 1168}},
    },
    metrics={"test/map": 0.4, "test/unav100/map": 0.5, "test/desed/map": 0.3},
)


def test_seeds_are_averaged():
    runs = choose_runs([run(seed=1, score=0.1), run(seed=2, score=0.3)], ["ccnet_unav100"])["ccnet_unav100"]
    scores, about = measured(runs)
    assert scores == "20.00 ± 14.14 mAP 0.1:0.1:0.9"
    assert about == "2 seeds; 2,167 test videos; weights chosen on validation"


def test_fewest_changes_count_and_then_the_newest_but_never_the_test_score():
    plain, newer = run(score=0.1), run(score=0.2)
    narrow, other = run("size=narrow", score=0.9), run("protocol=published", score=0.8)
    assert representative([plain, newer, narrow]) == [newer]
    assert representative([narrow, other]) == [other]
    assert representative([other, narrow]) == [narrow]
    assert representative([narrow, run("size=narrow", "data.noise=0"), other, narrow | {"seed": 4}]) == [
        *(narrow, narrow | {"seed": 4})
    ]
    assert representative([]) == []


def test_runs_on_all_real_videos_come_first_however_many_options_they_changed():
    real = run("trainer.max_epochs=60", "data.noise=0", score=0.1)
    synthetic = run("size=narrow", synthetic=True, score=0.9)
    debug = run("trainer=debug", videos={"evaluated": 8, "annotated": 2167}, score=0.8)
    assert representative([real, synthetic, debug]) == [real]
    assert representative([synthetic, debug]) == [debug]
    assert representative([synthetic | {"seed": 1}, debug | {"seed": 1}, real, synthetic]) == [real]


def test_the_newest_is_the_one_that_ended_last_wherever_it_is_kept():
    old, new = run(finished="2025-01-31T08:00:00.000+00:00"), run(finished="2025-02-01T07:00:00.000+00:00")
    for documents in ([old, record(new)], [record(new), old], [run(), new, old]):
        (chosen,) = choose_runs(documents, ["ccnet_unav100"])["ccnet_unav100"]
        assert chosen["finished"] == new["finished"]


def test_the_order_of_the_scores_chooses_nothing():
    runs = [run(*options, seed=seed) for options in ([], ["size=narrow"]) for seed in (1, 2)]
    shuffled = random.Random(0)
    for _ in range(5):
        scored = [document | {"metrics": {"test/map": shuffled.random()}} for document in runs]
        assert representative(scored) == scored[:2]


def test_what_was_changed_is_said():
    changed = run("size=narrow", "paths.data_dir=/home/somebody/synthetic/", "trainer=gpu", "logger=wandb")
    assert changes(changed) == {"size": "narrow", "paths.data_dir": "synthetic"}
    assert measured([changed])[1].endswith("; changed: `paths.data_dir=synthetic`, `size=narrow`")
    assert changes(run("trainer=ddp", "trainer.accelerator=gpu", "untrained=true")) == {"trainer": "ddp"}


def test_parts_of_a_split_and_the_choice_by_the_test_are_said():
    part = run(videos={"evaluated": 10, "annotated": 2167}, selection_split="test")
    assert measured([part])[1] == "1 seed; only 10 of 2,167 test videos; weights chosen on test"
    assert measured([run(selection_split=None)])[1].endswith("weights of the last epoch")


def test_data_that_were_made_up_are_called_so():
    assert measured([run(synthetic=True)])[1].startswith("1 seed; 2,167 **synthetic** test videos;")


def test_tasks_are_told_apart():
    scores, about = measured([TASKS])
    assert scores == "unav100 50.00 mAP 0.1:0.1:0.9; desed 30.00 mAP 0.5:0.25:0.75"
    assert "2,167 test videos of unav100; only 10 of 1,168 test videos of desed" in about


def test_other_scores_have_no_grid():
    assert measured([run(monitor="accuracy", metrics={"test/accuracy": 0.75})])[0] == "75.00 accuracy"


@pytest.mark.parametrize(
    "other",
    [
        {"stage": "test"},
        {"split": "validation"},
        {"experiment": "an older one"},
        {"metrics": {"test/map": None}},
        {"metrics": {}},
    ],
)
def test_only_tested_trainings_with_a_score_count(other):
    assert choose_runs([run(**other)], ["ccnet_unav100"]) == {"ccnet_unav100": []}


def test_results_of_old_runs_do_not_count():
    old = {key: value for key, value in run().items() if key not in ("overrides", "split")}
    foreign = {"metrics": {"accuracy": 0.5}, "overrides": []}
    assert choose_runs([old, foreign], ["ccnet_unav100"]) == {"ccnet_unav100": []}


@pytest.mark.parametrize("document", [run("size=narrow", "paths.data_dir=/home/somebody/synthetic"), TASKS])
def test_a_record_gives_the_same_row_without_naming_folders(document):
    kept = record(document)
    assert measured([kept]) == measured([document])
    assert record(kept) == kept
    assert "somebody" not in str(kept)
    assert all(name.endswith("/map") and name.startswith("test/") for name in kept["metrics"])


def test_records_are_read_back_and_damaged_ones_refused(tmp_path):
    path = tmp_path / "measured.json"
    assert read_record(path) == []
    path.write_text(json.dumps({"runs": [run()]}))
    assert read_record(path) == [run()]
    for damaged in ("{", "[]", "{}", '{"runs": [1]}', "<<<<<<< HEAD"):
        path.write_text(damaged)
        with pytest.raises(UserError, match="measured.json: `make results` wrote something else"):
            read_record(path)


def test_the_table_has_a_row_per_experiment_with_notes_on_what_is_published():
    result = PublishedResult(
        value=36.50, metric="mAP", features="TSP", selection="the last epoch", source="a README", first_hand=True
    )
    literature = {"b": Literature((result, result)), "a": Literature(absent="not verified")}
    lines = write_table({"a": "A | on <b>", "b": "B"}, literature, {"a": [run()], "b": []}).splitlines()
    assert lines[2:4] == [
        "| `b` | B | no run yet |  | 36.5 <sup>1</sup>, 36.5 <sup>2</sup> |",
        r"| `a` | A \| on &lt;b> | 50.00 mAP 0.1:0.1:0.9 | 1 seed; 2,167 test videos; weights chosen on validation"
        " | not verified |",
    ]
    assert lines[4:] == ["", f"1. {result.note()}", f"2. {result.note()}"]


@pytest.mark.parametrize(
    ("thresholds", "name"),
    [(GRID, "0.1:0.1:0.9"), ([0.5, 0.55, 0.6], "0.5:0.05:0.6"), ([0.5, 0.75, 0.95], "0.5, 0.75, 0.95"), ([0.5], "0.5")],
)
def test_grids_have_names(thresholds, name):
    assert grid_name(thresholds) == name


def test_the_table_stands_between_the_marks_again_and_again():
    once = put_between(f"above\n{BEGIN}\nold\n{END}\nbelow\n", "new", "README.md")
    assert once == f"above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"
    assert put_between(once, "new", "README.md") == once


@pytest.mark.parametrize("page", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
def test_pages_without_a_place_are_refused(page):
    with pytest.raises(UserError, match=r"^README.md: needs the lines"):
        put_between(page, "new", "README.md")


def test_long_options_take_no_longer_than_they_are():
    long = "a" * 300_000  # squared, that would be hours
    assert changes(run(f"data.root=/x/{long}/y{long}")) == {"data.root": f"y{long}"}
