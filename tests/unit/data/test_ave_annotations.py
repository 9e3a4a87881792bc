import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avel.data.ave_annotations import check_label_files, read_ave_annotations, read_order
from avel.data.clips import ClipAnnotations
from avel.errors import UserError
from tests.unit.data.ave_files import CLASSES, LABEL_FILES, LABELS, LINES, REAL, SNIPPETS, VIDEOS, write_ave, write_h5

FACTS = REAL.parents[1] / "reference_cases" / "ave_dataset.json"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "Annotations.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def read(path, **options):
    return read_ave_annotations(path, snippets=SNIPPETS, **options)


def with_line(path, number, line):
    """Replace one line, counted from 1."""
    lines = list(LINES)
    lines[number - 1] = line
    path.write_text("\n".join(lines) + "\n")
    return path


def test_annotations_are_read(path):
    annotations = read(path)
    assert annotations.class_names == ("Bark", "Bell, church", "Flute")
    assert list(annotations.videos) == VIDEOS
    assert list(annotations.sources) == [video.partition("~")[0] for video in VIDEOS]
    np.testing.assert_array_equal(annotations.classes, CLASSES)
    np.testing.assert_array_equal(annotations.snippet_labels(), LABELS)
    assert annotations.segments[:4].tolist() == [[0, 4], [1, 3], [0, 0], [2, 4]]
    assert (len(annotations), annotations.snippets, annotations.background) == (12, 4, 3)
    assert annotations.classes.dtype == annotations.segments.dtype == annotations.snippet_labels().dtype == np.int64


@pytest.mark.parametrize("text", ["\r\n".join(LINES) + "\r\n", "\n".join(LINES), "\ufeff" + "\n".join(LINES)])
def test_other_ends_of_lines_are_the_same(path, text):
    expected = read(path)
    path.write_bytes(text.encode())
    assert read(path).videos == expected.videos
    assert read(path).class_names == expected.class_names


def test_any_number_of_classes_will_do_in_any_order(path):
    path.write_text("&".join(["b", "x", "good", "0", "1"]) + "\na&y&bad&0&2\nb&z&&1&4\n")
    assert read(path).class_names == ("b", "a")
    assert read(path).classes.tolist() == [0, 1, 0]


def test_listed_classes_fix_their_numbers(path):
    annotations = read(path, class_names=["Flute", "Horn", "Bell, church", "Bark"])
    assert annotations.class_names == ("Flute", "Horn", "Bell, church", "Bark")
    assert annotations.classes.tolist() == [3] * 4 + [2] * 4 + [0] * 4
    with pytest.raises(UserError, match=r"data.class_names=\['Bark', 'Bark'\]: name each class once"):
        read(path, class_names=["Bark", "Bark"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Bark&x&good&0", "must have the 5 fields class&id&quality&start&end, has 4"),
        ("Bark&x&good&0&4&1", "must have the 5 fields class&id&quality&start&end, has 6"),
        ("", "must have the 5 fields class&id&quality&start&end, has 1"),
        ("Bark&x&good&3&2", r"the event ends \(2\) before it starts \(3\)"),
        ("Bark&x&good&0&5", r"the event ends \(5\) beyond the 4 snippets that the features have"),
        ("Bark&x&good&5&5", r"the event ends \(5\) beyond the 4 snippets that the features have"),
        ("Bark&x&good&one&4", "start 'one' must be a whole number of seconds from 0 on"),
        ("Bark&x&good&-1&4", "start '-1' must be a whole number"),
        ("Bark&x&good&0&2.5", "end '2.5' must be a whole number"),
        ("Bark&x&good&0&nan", "end 'nan' must be a whole number"),
        ("Bark&x&good&0&1" + "0" * 5000, "end '10+ … 0+' must be a whole number"),
        ("Bark&x&good&0&٣", "end '٣' must be a whole number"),
        ("&x&good&0&4", "unknown class ''"),
        ("Bark&&good&0&4", "the id '' must be a plain name"),
        ("Bark&../x&good&0&4", "the id '../x' must be a plain name"),
    ],
)
def test_malformed_lines_are_named(path, line, message):
    with pytest.raises(UserError, match=rf"Annotations.txt, line 7: {message}"):
        read(with_line(path, 7, line))


def test_a_class_that_is_not_listed_is_named(path):
    with pytest.raises(UserError) as caught:
        read(path, class_names=["Bark", "Flute"])
    assert str(caught.value) == f"{path}, line 5: unknown class 'Bell, church' (known by data.class_names: Bark, Flute)"


def test_files_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "Annotations.txt"
    with pytest.raises(UserError, match="^.*Annotations.txt: no such file\nGet it there$"):
        read(path, hint="Get it there")
    path.write_bytes(b"Bark&\xff\xfe&good&0&4\n")
    with pytest.raises(UserError, match="Annotations.txt: is not a valid annotation file"):
        read(path)
    path.write_text("\n")
    with pytest.raises(UserError, match="Annotations.txt, line 1: must have the 5 fields"):
        read(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="Annotations.txt: cannot be read .Is a directory"):
        read(path)


@given(st.lists(st.sampled_from(["a", "b", "a~2", "a~2~2", "b~3"]), min_size=1, max_size=12))
def test_ids_are_unique_and_the_first_keeps_its_name(tmp_path_factory, sources):
    path = tmp_path_factory.mktemp("ids") / "Annotations.txt"
    path.write_text("\n".join(f"Bark&{source}&good&0&1" for source in sources))
    videos = read(path).videos
    assert len(set(videos)) == len(videos) == len(sources)
    for index, (video, source) in enumerate(zip(videos, sources, strict=True)):
        assert video.startswith(source)
        assert video == source or source in videos[:index]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8))
def test_snippet_labels_agree_with_a_loop(rows):
    annotations = ClipAnnotations(
        videos=tuple(map(str, range(len(rows)))),
        sources=tuple(map(str, range(len(rows)))),
        classes=np.array([label for label, _, _ in rows]),
        segments=np.array([[start, end] for _, start, end in rows]),
        snippets=6,
        class_names=("a", "b", "c"),
    )
    expected = [[label if start <= time < end else 3 for time in range(6)] for label, start, end in rows]
    assert annotations.snippet_labels().tolist() == expected
    more = annotations.with_background(2)
    assert more.snippet_labels().tolist() == [*expected, [3] * 6, [3] * 6]
    assert more.videos[-2:] == ("background_000", "background_001")
    assert more.classes.tolist()[-2:] == [3, 3]


# Order files


def write_order(tmp_path, rows, key="order"):
    return write_h5(tmp_path / "test_order.h5", rows, key)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint64", "uint8"])
def test_orders_are_read_as_they_are(tmp_path, dtype):
    order = read_order(write_order(tmp_path, np.array([3, 0, 11], dtype=dtype)), 12)
    assert (order.tolist(), order.dtype) == ([3, 0, 11], np.int64)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([3, 0, 12], r": value 12 at position 2 is out of range: rows go from 0 to 11, one per line"),
        ([3, -1, 0], r": value -1 at position 1 is out of range: rows go from 0 to 11, one per line"),
        (np.array([2**64 - 1], dtype=np.uint64), r": value 18446744073709551615 at position 0 is out of range"),
        ([3, 0, 5, 0, 3], r": value 0 at position 3 is already at position 1: list each row once"),
        ([0.0, 1.0], r": 'order': must hold whole numbers, holds float64"),
        ([[0, 1]], r": 'order': must have the shape \(videos of the split\), has \(1, 2\)"),
        (np.zeros(0, dtype=int), r": 'order': must have the shape \(videos of the split\), has \(0,\)"),
    ],
)
def test_orders_that_cannot_be_are_refused(tmp_path, rows, message):
    with pytest.raises(UserError, match=rf"test_order.h5{message}"):
        read_order(write_order(tmp_path, rows), 12)


def test_orders_without_file_or_key_are_refused(tmp_path):
    with pytest.raises(UserError, match="test_order.h5: no such file\nGet it there"):
        read_order(tmp_path / "test_order.h5", 12, hint="Get it there")
    with pytest.raises(UserError, match=r"test_order.h5: 'order': no such array, the file holds \['x'\]"):
        read_order(write_order(tmp_path, [0], key="x"), 12)


# Label files


@pytest.fixture
def folder(tmp_path):
    return write_ave(tmp_path / "ave")


def test_label_files_that_agree_are_named(folder):
    annotations = read(folder / "Annotations.txt")
    assert set(check_label_files(folder, annotations, 2)) == set(LABEL_FILES)
    assert set(check_label_files(folder, annotations)) == set(LABEL_FILES) - {"labels_noisy.h5"}
    (folder / "mil_labels.h5").unlink()
    assert set(check_label_files(folder, annotations, 2)) == set(LABEL_FILES) - {"mil_labels.h5"}


@pytest.mark.parametrize(
    ("name", "where", "value", "message"),
    [
        ("labels.h5", (5, 2, 1), 0, "row 5, snippet 2, column 1: is 0, but 1 by Annotations.txt"),
        ("mil_labels.h5", (2, 3), 1, "row 2, column 3: is 1, but 0 by Annotations.txt"),
        ("labels_closs.h5", (11, 3), 0, "row 11, snippet 3: is 0, but 1 by Annotations.txt"),
        ("labels_noisy.h5", (1, 3), 0, "row 1, column 3: is 0, but 1 by Annotations.txt"),
    ],
)
def test_a_label_that_differs_is_told_with_both_values(folder, name, where, value, message):
    values = LABEL_FILES[name].copy()
    values[where] = value
    write_h5(folder / name, values)
    with pytest.raises(UserError) as caught:
        check_label_files(folder, read(folder / "Annotations.txt"), 2)
    assert str(caught.value) == (
        f"{folder / name}, {message} (1 values differ): use files that belong together, or remove this one"
    )


@pytest.mark.parametrize(
    ("name", "where", "value", "message"),
    [
        ("right_labels.h5", (2, 0, 0), 1, "row 2, snippet 0, column 0: is 1, but 0 by Annotations.txt"),
        ("prob_label.h5", (1, 0), 0.75, "row 1, column 0: is 0.75, but 0.5 by Annotations.txt"),
        ("prob_label.h5", (1, 0), np.nan, "row 1, column 0: is nan, but 0.5 by Annotations.txt"),
    ],
)
def test_labels_of_psp_that_differ_are_told_and_not_used(folder, name, where, value, message):
    values = LABEL_FILES[name].copy()
    values[where] = value
    write_h5(folder / name, values)
    with pytest.warns(UserWarning, match="nothing is read from it") as caught:
        check_label_files(folder, read(folder / "Annotations.txt"), 2)
    assert message in str(caught[0].message)


@pytest.mark.parametrize("name", LABEL_FILES)
def test_label_files_of_another_shape_or_key_are_refused(folder, name):
    annotations = read(folder / "Annotations.txt")
    write_h5(folder / name, LABEL_FILES[name][:-1])
    with pytest.raises(
        UserError, match=rf"{name}: 'avadataset': must have the shape \((12|2) rows, .*\), has \((11|1)"
    ):
        check_label_files(folder, annotations, 2)
    write_h5(folder / name, LABEL_FILES[name], key="labels")
    with pytest.raises(UserError, match=rf"{name}: 'avadataset': no such array, the file holds \['labels'\]"):
        check_label_files(folder, annotations, 2)


# The real files


@pytest.fixture(scope="module")
def real():
    if not (REAL / "Annotations.txt").exists() or not FACTS.exists():
        pytest.skip(f"the real annotation files of AVE are not at {REAL}")
    return read_ave_annotations(REAL / "Annotations.txt", snippets=10), json.loads(FACTS.read_text())


def test_real_annotations_have_the_classes_and_lengths_that_were_measured(real):
    annotations, facts = real
    assert list(annotations.class_names) == facts["class_names_in_order"]
    assert annotations.background == facts["background_index"]
    assert len(annotations) == facts["videos"]
    assert len(set(annotations.videos)) == facts["videos"]
    times = Counter(annotations.sources)
    assert len(times) == facts["duplicate_video_ids"]["unique_ids"]
    assert sum(count > 1 for count in times.values()) == facts["duplicate_video_ids"]["ids_used_more_than_once"]
    lengths = np.diff(annotations.segments)[:, 0]
    assert np.bincount(lengths, minlength=11).tolist() == facts["total_event_length_histogram_0_to_10"]


def test_the_real_event_of_length_zero_leaves_its_class(real):
    annotations, facts = real
    row = facts["zero_length_event"]["row"]
    assert annotations.videos[row] == facts["zero_length_event"]["video"]
    assert annotations.class_names[annotations.classes[row]] == facts["zero_length_event"]["class_name"]
    assert (annotations.snippet_labels()[row] == 28).all()


def test_real_label_files_agree_in_all_rows(real):
    annotations, _ = real
    assert check_label_files(REAL, annotations, 178) == ["mil_labels.h5", "labels_closs.h5", "labels_noisy.h5"]


@pytest.mark.parametrize(("family", "ending"), [("splits", ""), ("matching_splits", "_match")])
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_real_splits_have_the_histograms_that_were_measured(real, family, ending, split):
    annotations, facts = real
    expected = facts[family][split]
    order = read_order(REAL / f"{split}_order{ending}.h5", len(annotations))
    labels = annotations.snippet_labels()[order]
    lengths = (labels < 28).sum(axis=1)
    assert len(order) == expected["size"]
    assert np.bincount(lengths, minlength=11).tolist() == expected["event_length_histogram_0_to_10"]
    if family == "splits":
        assert np.bincount(annotations.classes[order]).tolist() == expected["class_histogram"]
        assert int((labels == 28).sum()) == expected["background_segments"]
        assert (labels == 28).mean() == pytest.approx(expected["always_background_accuracy"], abs=1e-6)
