import pytest

from avel.data.tables import read_table
from avel.errors import UserError


def test_rows_are_read_by_the_names_of_the_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'\xef\xbb\xbfb,a,other\r\n1,2,3\r\n4,"5,6"\n7')
    assert read_table(path, ("a", "b")) == [{"a": "2", "b": "1"}, {"a": "5,6", "b": "4"}, {"a": "", "b": "7"}]
    path.write_text("a\tb\n1 \t\n")
    assert read_table(path, ("b",), separator="\t") == [{"b": ""}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "is not a valid table"),
        (b"", "lacks the column 'a', has $"),
        (b"b,c\n", "lacks the column 'a', has b, c"),
    ],
)
def test_a_bad_table_is_named(tmp_path, content, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_table(path, ("a",))
    assert str(caught.value).startswith(f"{path}: ")
