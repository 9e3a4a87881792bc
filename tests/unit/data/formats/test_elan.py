from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given

from avel.data.formats.elan import is_elan, read_elan
from tests.unit.data.formats.drawn import ENTRIES

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" FORMAT="3.0" VERSION="3.0">\n'


def write_elan(tiers):
    """Write a document with tiers: name -> events; labels of `None` are written into the name of the tier only."""
    slots, body = [], ""
    for name, rows in tiers.items():
        body += f"<TIER LINGUISTIC_TYPE_REF='default' TIER_ID={quoteattr(name)}>"
        for start, end, label in rows:
            first, last = f"ts{len(slots)}", f"ts{len(slots) + 1}"
            slots += [(first, start), (last, end)]
            value = "<ANNOTATION_VALUE/>" if label is None else f"<ANNOTATION_VALUE>{escape(label)}</ANNOTATION_VALUE>"
            body += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{first}" TIME_SLOT_REF1="{first}"'
                f' TIME_SLOT_REF2="{last}">{value}</ALIGNABLE_ANNOTATION></ANNOTATION>'
            )
        body += "</TIER>"
    # slots need not be in the order of their annotations
    values = {slot: "" if time is None else f'TIME_VALUE="{round(1000 * time)}"' for slot, time in reversed(slots)}
    times = "".join(f'<TIME_SLOT TIME_SLOT_ID="{slot}" {value}/>' for slot, value in values.items())
    return f"{HEAD}<HEADER TIME_UNITS='milliseconds'/><TIME_ORDER>{times}</TIME_ORDER>{body}</ANNOTATION_DOCUMENT>"


@given(ENTRIES)
def test_what_was_written_is_read(entry):
    text = write_elan({"events": [(*row["segment"], row["label"]) for row in entry["annotations"]]})
    assert is_elan(text)
    assert read_elan(text) == entry


def test_classes_may_be_tiers():
    text = write_elan({"dog": [(1, 2, None), (3, 4, None)], "cat & co": [(1.5, 9, None)], "notes": [(0, 1, " bird ")]})
    events = [(*row["segment"], row["label"]) for row in read_elan(text)["annotations"]]
    assert events == [(1, 2, "dog"), (3, 4, "dog"), (1.5, 9, "cat & co"), (0, 1, "bird")]


def test_annotations_without_a_time_of_their_own_are_left_out():
    other = '<TIER TIER_ID="x"><ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a1" ANNOTATION_REF="a0"/></ANNOTATION></TIER>'
    text = write_elan({"events": [(1, 2, "dog")]}).replace("</ANNOTATION_DOCUMENT>", f"{other}</ANNOTATION_DOCUMENT>")
    assert read_elan(text) == {"annotations": [{"segment": [1.0, 2.0], "label": "dog"}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (write_elan({"dog": [(1, 2, "bark")]})[:-9], "is not whole XML"),
        (
            write_elan({"dog": [(1, None, "bark")]}),
            "an annotation 'bark' in the tier 'dog' has no time: align it in ELAN",
        ),
        (write_elan({"dog": [(1, 2, "bark")]}).replace('"2000"', '"2 s"'), "'bark' in the tier 'dog' has no time"),
    ],
)
def test_what_is_wrong_is_told(text, message):
    with pytest.raises(ValueError, match=message):
        read_elan(text)


@pytest.mark.parametrize("text", ["", "<html></html>", "1\t2\tdog", '{"database": {}}'])
def test_what_is_no_document(text):
    assert not is_elan(text)
