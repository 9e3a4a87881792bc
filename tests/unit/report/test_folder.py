from avel.events import Event, EventTable
from avel.report.folder import LocalizedVideo, write_tables, write_video


def found(folder, video, *rows):
    events = tuple(Event(video, start, end, label, score) for start, end, label, score in rows)
    return LocalizedVideo(video, folder / f"{video}.mp4", 20.0, events)


def test_tables_hold_all_events_and_the_other_files_the_sure_ones(tmp_path):
    out = tmp_path / "out"
    dogs = found(tmp_path, "dogs", (1, 3, "dog", 0.8), (2, 9, "cat", 0.5), (4, 5, "dog", 0.3))
    nothing = found(tmp_path, "nothing")
    pages = [write_video(out, video) for video in (dogs, nothing)]
    write_tables(out, [dogs, nothing], pages)

    assert {str(path.relative_to(out)) for path in out.rglob("*.*")} == {
        *("events.json", "events.csv", "index.html", "pages/dogs.html", "pages/nothing.html"),
        *("labels/dogs.txt", "labels/nothing.txt", "subtitles/dogs.srt", "subtitles/nothing.srt"),
    }
    table = EventTable.read_json(out / "events.json")
    assert table == EventTable(list(dogs.events), ["dogs", "nothing"])
    assert EventTable.read_csv(out / "events.csv").events == table.events
    assert [line.split("\t")[2] for line in (out / "labels/dogs.txt").read_text().splitlines()] == ["dog", "cat"]
    assert "cat" in (out / "subtitles/dogs.srt").read_text()
    assert (out / "subtitles/nothing.srt").read_text() == ""
    assert 'src="../../dogs.mp4"' in (out / "pages/dogs.html").read_text()
    assert "../index.html" in (out / "pages/dogs.html").read_text()
    assert "pages/dogs.html" in (out / "index.html").read_text()


def test_the_threshold_may_be_given(tmp_path):
    video = found(tmp_path, "v", (1, 3, "dog", 0.8), (4, 5, "cat", 0.05))
    write_video(tmp_path, video, threshold=0.0)
    assert "cat" in (tmp_path / "labels/v.txt").read_text()
    write_video(tmp_path, video, threshold=0.9)
    assert (tmp_path / "labels/v.txt").read_text() == ""
