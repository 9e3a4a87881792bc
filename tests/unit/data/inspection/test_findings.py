from avel.data.inspection.findings import damaged_videos, faulty_videos, listed, some


def test_without_faults_nothing_is_found():
    assert list(faulty_videos({}, 9)) == list(damaged_videos({})) == []


def test_faults_of_few_videos_and_of_most():
    (few,) = faulty_videos({"a": "no label"}, 9)
    assert (few.what, few.level) == ("Videos with malformed annotations: 1 of 9\na: no label", "error")
    assert few.remedy.startswith("Correct them; data.beyond=clip")
    (most,) = faulty_videos({"a": "event [1000, 2000] s lies outside the video of 5 s"}, 1)
    assert most.remedy.startswith("Are the times in seconds")


def test_long_lists_are_cut():
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", "d"]) == "a, b, c, …"
    lines = listed({f"v{number}": "bad" for number in range(12)}).splitlines()
    assert lines == ["", *(f"v{number}: bad" for number in range(10)), "… and 2 more"]
    assert listed({"a": "bad"}) == "\na: bad"
