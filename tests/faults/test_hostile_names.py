"""Names of strangers (of videos, classes, tasks and files), through the commands that people give: they stay names."""

import csv
import json
import os
import shutil
import unicodedata
from fractions import Fraction

import numpy as np
import pytest

from avel.data.formats.events import read_events
from avel.data.synthetic_mp4 import write_mp4
from avel.events import Event, EventTable
from avel.exchange.formats import FORMATS, ONE_FILE
from tests.clips import FPS, RATE, pictures, sound
from tests.end_to_end.conftest import environment
from tests.faults.trap import SECRET, Trap, texts
from tests.synthetic import TINY, write_tiny, write_tiny_custom
from tests.unit.report.browser import NEEDS_CHROMIUM, browser

pytestmark = pytest.mark.slow

PWNED = "window.pwned=1"
ODD = (
    *(f"<script>{PWNED}<∕script>", f"<img src=x onerror={PWNED}>", f"'\"><svg onload={PWNED}>", "{{ 7 * 7 }}"),
    *("[red]a[b", "[link=file:etc]b[", "a\x1b[2J\x1b]0;title\x07b", "a\u202eb", "=1+1", "@SUM(1)", "-x", "%41", "~"),
    *("Café", "Cafe\N{COMBINING ACUTE ACCENT}", "DOG", "dog", "con", "a" * 150, "a b", "#1?x=2", "javascript:a"),
)
"""Names that a file may have."""

PATHS = ("../../x", "/tmp/x", "C:\\x", "x/../../y", ".", "..", "", "a\0b", "x" * 300, "a/b", "...", " ", "\udcff")
"""Names that lead elsewhere, or to nothing."""

CLASS_NAMES = (
    f"</script><script>{PWNED}</script>",
    f"<img src=x onerror={PWNED}>",
    '=HYPERLINK("http://a")\x1b[31m[red]x',
)


@pytest.fixture(scope="module")
def run(tmp_path_factory, python):
    """The folder of a run on videos and classes with odd names, and all that was printed."""
    folder = tmp_path_factory.mktemp("odd")
    write_tiny_custom(folder)
    rename(folder)
    given = f"data.annotations={folder / 'annotations.csv'}", f"data.feature_dir={folder / 'features'}"
    more = "trainer.max_epochs=1", "logger=[csv,tensorboard]", f"hydra.run.dir={folder / 'run'}", "untrained=true"
    ended = python.run("run.py", "experiment=ccnet_custom", *TINY, *given, *more, environment=environment())
    assert ended.returncode == 0, ended.stderr
    checked = python.run(
        *("scripts/check_dataset.py", "--annotations", folder / "annotations.csv", "--features", folder / "features"),
        environment=environment(),
    )
    assert checked.returncode == 0
    return folder / "run", ended.stdout + ended.stderr + checked.stdout + checked.stderr


def rename(folder):
    """Give videos and classes of a data set odd names."""
    with (folder / "annotations.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    names = dict(zip(dict.fromkeys(row[0].removesuffix(".mp4") for row in rows), ODD, strict=False))
    labels = dict(zip(sorted({row[3] for row in rows}), CLASS_NAMES, strict=True))
    for path in (folder / "features").glob("*.npy"):
        video = next((name for name in names if path.name.startswith(name)), "")
        if video:
            path.rename(path.with_name(path.name.replace(video, names[video], 1)))
    with (folder / "annotations.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        videos = [row[0].removesuffix(".mp4") for row in rows]
        writer.writerows(
            [names.get(video, video), *row[1:3], labels[row[3]]] for video, row in zip(videos, rows, strict=True)
        )


def test_nothing_on_the_terminal_is_obeyed(run, told):
    folder, printed = run
    said = [printed, (folder / "console.log").read_text(), *texts(folder / "predictions")]
    assert not any(sign in text for text in said for sign in ("\x1b]0;", "\x1b[2J", "\x1b[31m", "\x07", "\u202e"))
    assert CLASS_NAMES[1] in printed
    assert r"\x1b[31m[red]x" in printed
    told("escape sequences and rich's markup in ids and class names", "shown as they are by a run and by check_dataset")


@NEEDS_CHROMIUM
def test_pages_run_and_fetch_nothing(run, python, tmp_path, told):
    folder, _ = run
    pages = [folder / "report.html", tmp_path / "compared.html"]
    shutil.copytree(folder, tmp_path / f"<img src=x onerror={PWNED}>")
    python.run(
        *("scripts/report.py", folder, tmp_path / f"<img src=x onerror={PWNED}>", "--out", pages[1]),
        *("--resamples", 10),
        environment=environment(),
    )
    picture = tmp_path / "timeline.svg"
    python.run("scripts/draw_timeline.py", folder, "--out", picture, "--min-score", 0, environment=environment())
    with browser(tmp_path / "profile") as tab:
        for page in (*pages, picture):
            tab.open(page)
            assert tab("typeof window.pwned") == "undefined"
            assert not tab("document.querySelectorAll('img, iframe, object, embed, a[href^=javascript]').length")
            asked = [url for url in map(str, tab.requests) if not url.startswith(("file:", "data:"))]
            assert not asked
        assert CLASS_NAMES[0] in pages[0].read_text().encode().decode("unicode_escape")
    told("HTML and scripts in ids, classes and run names", f"{len(pages)} pages and a picture ran and fetched nothing")


def odd_table():
    """Events of videos with all odd names, and of those that lead elsewhere."""
    videos = [*ODD, *PATHS]
    labels = [*CLASS_NAMES, *ODD, *PATHS]
    events = [Event(video, 0.0, 1.0 + place, labels[place % len(labels)], 0.5) for place, video in enumerate(videos)]
    return EventTable(events, videos)


@pytest.mark.parametrize("name", FORMATS)
def test_exports_stay_in_their_folder(name, tmp_path, python, told):
    trap = Trap(tmp_path)
    table = odd_table()
    (tmp_path / "work" / "deep").mkdir(parents=True)
    table.write_json(tmp_path / "work" / "events.json")
    before = state(tmp_path)
    out = tmp_path / "work" / "deep" / "out"
    ended = python.run(
        *("scripts/export_events.py", tmp_path / "work" / "events.json", "--to", name, "--out", out),
        environment=environment(),
    )
    assert ended.returncode == 0, ended.stderr
    assert {path for path in state(tmp_path) - before if out not in (path, *path.parents)} == set()
    trap.assert_untouched()
    if name not in (*ONE_FILE, "label_studio"):
        files = [path.name for path in out.iterdir() if path.name != "videos.json"]
        folded = {unicodedata.normalize("NFC", file.casefold()) for file in files}
        assert len(folded) == len(files) == len(table.videos)  # on every system
    if "read back without loss" in FORMATS[name].summary:
        assert read_events(out) == table
    told(f"{len(table.videos)} odd ids exported as {name}", "a file each, nothing elsewhere, nothing lost")


def state(folder):
    return set(folder.rglob("*"))


def test_ids_of_annotations_lead_to_no_other_folder(tmp_path, python, told):
    """Ids become parts of the names of feature files."""
    trap = Trap(tmp_path)
    write_tiny(tmp_path / "data")
    path = tmp_path / "data" / "unav100" / "annotations" / "unav100_annotations.json"
    document = json.loads(path.read_text())
    ending = "_one_peace_video_finetune.npy"
    (trap.private / "v_visual.npy").rename(trap.private / f"v{ending}")
    trap.before = trap._state()
    entry = next(iter(document["database"].values()))
    ids = ["../../../private/v", f"{trap.private}/v", "C:\\x", "x/../../y", ".", "..", "", "a\0b"]
    for video in ids:
        path.write_text(json.dumps({"database": document["database"] | {video: entry}}))
        for command in (("scripts/check_dataset.py",), ("run.py", "experiment=ccnet_unav100", *TINY)):
            choice = "data=unav100" if len(command) == 1 else f"paths.log_dir={tmp_path / 'logs'}"
            ended = python.run(*command, choice, f"paths.data_dir={tmp_path / 'data'}", environment=environment())
            said = " ".join((ended.stdout + ended.stderr).split())
            assert ended.returncode
            assert "the id must be a plain name" in said
            trap.assert_untouched(said)
    told(f"{len(ids)} ids that lead to another folder", "refused by check_dataset and by a run")


def test_a_manifest_leads_to_no_other_folder(tmp_path, python, told):
    trap = Trap(tmp_path)
    features = tmp_path / "features"
    features.mkdir()
    (tmp_path / "a.csv").write_text("video,start,end,label\nv,0,1,x\n")
    for part in (
        {"prefix": "../private/"},
        {"prefix": f"{trap.private}/"},
        {"visual": ["/../../private/v_visual.npy"]},
    ):
        manifest = {"visual": ["_visual.npy"], "audio": [], "fps": 4, "stride": 1, "window": 1} | part
        (features / "manifest.json").write_text(json.dumps(manifest))
        for command in (
            ("scripts/check_dataset.py", "--annotations", tmp_path / "a.csv", "--features", features),
            ("scripts/pack_features.py", features, tmp_path / "packed.h5"),
            (
                "run.py",
                "experiment=ccnet_custom",
                f"data.annotations={tmp_path / 'a.csv'}",
                f"data.feature_dir={features}",
            ),
        ):
            ended = python.run(*command, environment=environment())
            assert ended.returncode
            assert "not lead to another folder" in ended.stdout + ended.stderr
    trap.assert_untouched()
    told("manifests whose files lie elsewhere", "refused by three commands")


def test_files_of_any_name_are_localized_and_extracted(tmp_path, python, told):
    """Media files of strangers, and what is written for them: nothing is lost, nothing lies elsewhere."""
    videos = tmp_path / "videos"
    names = [name for name in ODD if "/" not in name]
    for name in names:
        write_mp4(
            *(videos / f"{name}.mp4", pictures(1, 3, "red", seconds=2), Fraction(FPS)),
            *(sound(1, 3, "red", np.random.default_rng(0), seconds=2), RATE),
        )
    out = tmp_path / "features"
    ended = python.run("scripts/extract_features.py", videos, out, environment=environment())
    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    assert {path.name.removesuffix("_visual.npy") for path in out.glob("*_visual.npy")} == set(names)
    assert set(os.listdir(tmp_path)) == {"videos", "features"}
    told(f"{len(names)} media files with odd names", "features of each, nothing elsewhere")


def test_results_of_others_lead_to_no_other_folder(run, python, tmp_path, told):
    """A results.json may name splits and tasks that are paths."""
    trap = Trap(tmp_path)
    EventTable([Event("v", 0.0, 1.0, SECRET, 0.5)], ["v"]).write_json(trap.private / "events.json")
    trap.before = trap._state()
    folder = shutil.copytree(run[0], tmp_path / "run")
    document = json.loads((folder / "results.json").read_text())
    for change in (
        {"split": "../../private/events"},
        {"split": str(trap.private / "events")},
        {"tasks": {"../../private": document}, "split": "events", "baselines": {}},
    ):
        (folder / "results.json").write_text(json.dumps(document | change))
        ends = [
            python.run("scripts/report.py", folder, "--out", tmp_path / "report.html", environment=environment()),
            python.run("scripts/compare_runs.py", folder, run[0], environment=environment()),
        ]
        assert ends[0].returncode == 2
        assert "is no name of a split or task" in ends[0].stderr
        trap.assert_untouched(*texts(folder), *(ended.stdout + ended.stderr for ended in ends))
    assert not (tmp_path / "report.html").exists()
    told("results.json with paths in the place of split and task", "refused")
