from avel.training.failure import forget_failure, read_failure, write_failure


def test_why_a_run_failed_is_kept_until_it_begins_again(tmp_path):
    assert read_failure(tmp_path) is None
    try:
        raise KeyError("x")
    except KeyError as error:
        write_failure(tmp_path, error, "there is no x")
    assert read_failure(tmp_path) == "there is no x"
    assert "test_failure.py" in (tmp_path / "traceback.txt").read_text()
    forget_failure(tmp_path)
    assert not list(tmp_path.iterdir())
