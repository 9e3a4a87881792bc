import csv
import io

import pytest
from rich.console import Console

from avel.report.compare import Run, best_run, group_rows, group_runs, run_of, show_tables, spread, to_csv, to_markdown


def run(lr, seed, selection, score, **other):
    options = {"experiment": "ccnet_unav100", "method.optimizer.lr": lr}
    shared = {"status": "done", "judged": "map of unav100, test split"}
    return Run(folder=f"{lr}/{seed}", options=options, seed=seed, selection=selection, score=score, **shared | other)


RUNS = [
    run("0.1", 1, 0.3, 0.2),
    run("0.1", 2, 0.5, 0.4),
    run("0.2", 1, 0.45, 0.9),
    run("0.2", 2, None, None, status="failed", judged=""),
]


def test_runs_that_differ_by_their_seeds_are_one_group():
    groups = group_runs(RUNS)
    assert group_rows(groups) == [
        ["lr=0.1", "2", "40.00 ± 14.14", "30.00 ± 14.14"],
        ["lr=0.2", "1", "45.00", "90.00"],
    ]


def test_the_best_is_not_chosen_by_the_test():
    assert best_run(RUNS) is RUNS[1]
    assert best_run([RUNS[0], run("0.1", 3, 0.9, 0.1, judged="map of desed, test split")]) is None
    assert best_run([]) is None


def test_options_are_told_apart_where_their_last_words_are_alike():
    def of(key):
        return Run(folder=key, options={key: "8"}, seed=0, status="done")

    assert [group.label for group in group_runs([of("method.head.dim"), of("method.neck.dim")])] == [
        "method.head.dim=8",
        "method.neck.dim=8",
    ]


def test_one_group_is_called_by_its_experiment():
    assert [group.label for group in group_runs(RUNS[:2])] == ["ccnet_unav100"]


@pytest.mark.parametrize(("values", "shown"), [([], ""), ([0.5], "50.00"), ([0.1, 0.3], "20.00 ± 14.14")])
def test_the_spread_is_that_of_a_sample(values, shown):
    assert spread(values) == shown


def test_every_run_has_a_row_in_every_form():
    groups = group_runs(RUNS)
    rows = list(csv.DictReader(io.StringIO(to_csv(groups))))
    assert [row["status"] for row in rows] == ["done", "done", "done", "failed"]
    assert [row["score"] for row in rows] == ["0.2", "0.4", "0.9", ""]
    assert {row["method.optimizer.lr"] for row in rows} == {"0.1", "0.2"}
    markdown = to_markdown(groups, ["note"])
    assert "| lr=0.1 | 2 | done, best | 50.00 | 40.00 | 0.1/2 |" in markdown.splitlines()
    assert markdown.endswith("note\n")
    console = Console(width=120)
    with console.capture() as capture:
        console.print(*show_tables(groups))
    assert "done, best" in capture.get()


RESULTS = {
    "experiment": "ccnet_unav100",
    "data": "unav100",
    "stage": "fit",
    "split": "test",
    "seed": 3,
    "monitor": "map",
    "selection_split": "validation",
    "selection_score": 0.25,
    "overrides": ["experiment=ccnet_unav100", "seed=3", "method.optimizer.lr=1e-4", "logger=wandb"],
    "metrics": {"test/map": 0.5},
}


def test_results_are_read():
    found = run_of("a", RESULTS)
    assert found.options == {"experiment": "ccnet_unav100", "method.optimizer.lr": "0.0001"}
    assert (found.seed, found.selection, found.score) == (3, 0.25, 0.5)
    assert run_of("a", RESULTS | {"selection_split": "test"}).selection is None


def test_results_of_before_are_read():
    old = {key: value for key, value in RESULTS.items() if key not in ("monitor", "selection_score", "overrides")}
    found = run_of("a", old)
    assert (found.options, found.selection, found.score) == ({"experiment": "ccnet_unav100"}, None, 0.5)


def test_names_are_no_markup_and_stay_in_their_cells(capsys):
    odd = "[/]\x1b[2J[red]a|b<img src=x>\nc"
    groups = group_runs([*RUNS, run(odd, 1, 0.3, 0.2)])
    Console(width=200, highlight=False).print(*show_tables(groups))
    assert r"lr=[/]\x1b[2J[red]a|b<img src=x>" in capsys.readouterr().out
    assert r"| lr=[/]\x1b[2J[red]a\|b&lt;img src=x> c | 1 |" in to_markdown(groups)
