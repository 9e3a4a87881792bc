"""Reports made by hand, for the tests of their page."""

from avel.report.run_report import (
    Bin,
    Column,
    Difference,
    ErrorAnalysis,
    Found,
    Gallery,
    Mistakes,
    Precision,
    Report,
    RunFacts,
    Section,
)

CLASSES = ("dog", "<b>cat</b>", "rain")
KINDS = ("double", "localization", "class", "both", "background")


def gallery(runs=1, videos=("v0", "v1", "v2"), classes=CLASSES, files=(), per_video=3):
    """Video k has one event of class k, from second 2 to 4, and predictions of scores 0.9, 0.6, 0.3 and so on."""
    truth = [[200, 200, k % len(classes)] if k != len(videos) - 1 else [] for k in range(len(videos))]
    events = [
        [
            number
            for i in range(per_video)
            for number in (200 + 150 * i % 700, 200, (k + i) % len(classes), max(9000 - 3000 * i, 9 * (per_video - i)))
        ]
        for k in range(len(videos))
    ]
    found = [
        Found(
            events, ["035"[:per_video].ljust(per_video, "5")] * len(videos), [*_qualities(len(videos) - 1, run), None]
        )
        for run in range(runs)
    ]
    return Gallery(
        measure="average precision",
        labels=classes,
        videos=tuple(videos),
        durations=[1000] * len(videos),
        files=list(files),
        truth=truth,
        found=tuple(found),
        kinds=KINDS,
        most=per_video,
        left_out=0,
    )


def _qualities(count, run):
    return [(2500 * (k + 1) + 1000 * run * k) % 10001 for k in range(count)]


def dense(runs=1, task="", classes=CLASSES, **options):
    """A section on ranked events."""
    ap = [
        [[9000 - 2000 * k + 500 * run, 4000 - 1000 * k % 4000] for k in range(len(classes) - 1)] for run in range(runs)
    ]
    curve = [10000 - 200 * r for r in range(51)]
    mistakes = [Mistakes(kind, place, 100 * place, 50 * place) for place, kind in enumerate(KINDS)]
    errors = ErrorAnalysis(
        tiou=0.5,
        top=10,
        ap=5000,
        ap_normalized=4900,
        predictions=30,
        total=40,
        false_positives=tuple(mistakes),
        missed=Mistakes("missed", 2, 500, 300),
        characteristics={"length": (Bin("< 2 s", 3, 3333, 5000), Bin("≥ 2 s", 5, 0, None))},
        one_sided=(Mistakes("heard", 1, 30, 10),),
    )
    return Section(
        task=task,
        score="map",
        scores={"map": (5000,) * runs, "map@0.50": (6000,) * runs, "map@0.90": (4000,) * runs},
        baselines={"most frequent everywhere": {"map": 100, "map@0.50": None, "map@0.90": 0}},
        classes=classes,
        columns=(
            Column("events", "", ([5, 3, 0, *range(len(classes) - 3)],)),
            Column("predictions", "", ([4, 9, 1, *range(len(classes) - 3)],) * runs),
            Column("AP", "", tuple([*(sum(row) // 2 for row in of_run), None] for of_run in ap), True),
        ),
        precision=Precision(
            (0.5, 0.9),
            tuple([*of_run, [None, None]] for of_run in ap),
            ([*([curve, curve[::-1]] for _ in classes[1:]), None],) * runs,
        ),
        errors=(errors,) * runs,
        differences=(Difference(500, -100, 1100),) * (runs - 1),
        gallery=gallery(runs, classes=classes, **options),
    )


def segments():
    """A section on seconds."""
    seconds = ([12, 8, 10, 30],)
    return Section(
        task="",
        score="accuracy",
        scores={"accuracy": (8000,), "map": (None,)},
        baselines={"all background": {"accuracy": 5000}},
        classes=(*CLASSES, "background"),
        columns=(Column("seconds", "", seconds), Column("accuracy", "", ([5000, None, 10000, 9000],), True)),
        confusion=([(0, 0, 6), (0, 3, 6), (2, 2, 10), (3, 0, 3), (3, 3, 27)],),
        gallery=gallery(),
    )


def report(*sections, runs=1, notes=()):
    """A report on sections."""
    facts = [
        RunFacts(
            f"run {run}",
            {"experiment": "ccnet_unav100", "seed": str(run)},
            tuple(notes),
            {"train/loss": ([1, 2, 3], [3.0, 2.0, 1.5]), "val/map": ([3, 6], [0.1, 0.2])},
        )
        for run in range(runs)
    ]
    return Report("ccnet <i>unav100</i>", tuple(facts), sections)
