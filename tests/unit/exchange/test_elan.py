import json
from datetime import datetime
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from avel.events import Event
from avel.exchange.elan import LAST, elan_text, is_elan, read_elan
from avel.exchange.text import shown
from tests.unit.exchange.drawn import OF_ONE_VIDEO

ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
DOG = Event("v", 1.0004, 2, "dog", 0.5)


def check_structure(root):
    """Check what the schema EAF 3.0 and ELAN ask for."""
    assert root.tag == "ANNOTATION_DOCUMENT"
    assert {"AUTHOR", "DATE", "FORMAT", "VERSION"} <= root.attrib.keys()
    assert datetime.fromisoformat(root.get("DATE"))
    places = [ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    ids = [
        element.get(key)
        for element in root.iter()
        for key in ("ANNOTATION_ID", "TIME_SLOT_ID")
        if key in element.attrib
    ]
    assert len(set(ids)) == len(ids)
    slots = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.find("TIME_ORDER")}
    assert list(slots.values()) == sorted(slots.values())
    assert all(0 <= value <= LAST for value in slots.values())
    types = {kind.get("LINGUISTIC_TYPE_ID"): kind for kind in root.iter("LINGUISTIC_TYPE")}
    stereotypes = {constraint.get("STEREOTYPE") for constraint in root.iter("CONSTRAINT")}
    assert {kind.get("CONSTRAINTS") for kind in types.values()} - {None} <= stereotypes
    tiers = {tier.get("TIER_ID"): tier for tier in root.iter("TIER")}
    assert len(tiers) == len(root.findall("TIER"))
    for tier in tiers.values():
        dependent = types[tier.get("LINGUISTIC_TYPE_REF")].get("TIME_ALIGNABLE") == "false"
        assert ("PARENT_REF" in tier.attrib) == dependent
        check_tier(tier, slots, tiers[tier.get("PARENT_REF")] if dependent else None)
    return tiers


def check_tier(tier, slots, parent):
    annotations = [annotation for (annotation,) in tier]
    assert annotations
    assert all([child.tag for child in annotation] == ["ANNOTATION_VALUE"] for annotation in annotations)
    if parent is not None:
        above = {annotation.get("ANNOTATION_ID") for (annotation,) in parent}
        assert {annotation.get("ANNOTATION_REF") for annotation in annotations} <= above
        return
    spans = [tuple(slots[annotation.get(f"TIME_SLOT_REF{end}")] for end in (1, 2)) for annotation in annotations]
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in zip(spans, spans[1:], strict=False))
    assert len({annotation.findtext("ANNOTATION_VALUE") for annotation in annotations}) == 1


@settings(max_examples=50)
@given(OF_ONE_VIDEO)
def test_what_was_written_is_read_and_well_formed(events):
    text = elan_text(events).encode().decode()
    assert is_elan(text)
    assert read_elan(text, "v") == events
    tiers = check_structure(ElementTree.fromstring(text))
    values = [
        value.text
        for tier in tiers.values()
        if "PARENT_REF" not in tier.attrib
        for value in tier.iter("ANNOTATION_VALUE")
    ]
    assert sorted(values) == sorted(shown(event.label) for event in events)


def test_events_that_overlap_are_on_tiers_of_their_own():
    events = [Event("v", 0, 2, "dog", 0.5), Event("v", 1, 3, "dog"), Event("v", 2, 4, "dog"), Event("v", 1, 2, "cat")]
    names = ["cat", "dog", "dog score", "dog (2)"]
    assert list(check_structure(ElementTree.fromstring(elan_text(events)))) == names
    imitated = [*events, Event("v", 5, 6, "dog (2)"), Event("v", 5, 6, "dog score", 0.1)]
    tiers = check_structure(ElementTree.fromstring(elan_text(imitated)))
    assert set(tiers) == {"cat", "dog", "dog score'", "dog (2)'", "dog (2)", "dog score", "dog score score"}
    assert read_elan(elan_text(imitated), "v") == imitated


def test_the_media_are_linked(tmp_path):
    text = elan_text([DOG], media=tmp_path / "my videos" / "a&b.mp4", folder=tmp_path / "out")
    media = ElementTree.fromstring(text).find("HEADER/MEDIA_DESCRIPTOR").attrib
    assert media == {
        "MEDIA_URL": f"file:///{(tmp_path.resolve() / 'my videos' / 'a&b.mp4').as_posix().lstrip('/')}",
        "MIME_TYPE": "video/mp4",
        "RELATIVE_MEDIA_URL": "./../my videos/a&b.mp4",
    }
    assert ElementTree.fromstring(elan_text([DOG])).find("HEADER/MEDIA_DESCRIPTOR") is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"2000"', '"2500"', Event("v", 1.0, 2.5, "dog", 0.5)),
        ("<ANNOTATION_VALUE>dog<", "<ANNOTATION_VALUE>wolf<", Event("v", 1.0004, 2, "wolf", 0.5)),
        ("<ANNOTATION_VALUE>0.5<", "<ANNOTATION_VALUE>0.75<", Event("v", 1.0004, 2, "dog", 0.75)),
        ('ANNOTATION_ID="a1"', 'ANNOTATION_ID="a7"', Event("v", 1.0, 2, "dog")),  # another annotation
        ("avel event", "default-lt", DOG),
    ],
)
def test_what_was_changed_in_elan_counts(old, new, expected):
    assert old in elan_text([DOG])
    assert read_elan(elan_text([DOG]).replace(old, new), "v") == [expected]


def test_what_is_added_to_a_further_tier_without_a_value_is_of_its_class():
    text = elan_text([Event("v", 0, 4, "dog"), Event("v", 1, 2, "dog"), Event("v", 3, 4, "dog")])
    head, tier = text.split('TIER_ID="dog (2)"')
    emptied = tier.replace("<ANNOTATION_VALUE>dog<", "<ANNOTATION_VALUE><", 1).replace("a2", "a9")
    assert [event.label for event in read_elan(f'{head}TIER_ID="dog (2)"{emptied}', "v")] == ["dog"] * 3


def test_events_keep_their_order_and_what_was_added_in_elan_comes_last():
    events = [Event("v", 5, 6, "eel"), Event("v", 2, 3, "dog"), Event("v", 0, 1, "cat")]
    text = elan_text(events)
    assert read_elan(text, "v") == events
    added = text.replace('"a1": [5.0, 6.0, "eel"], ', "").replace('ANNOTATION_ID="a1"', 'ANNOTATION_ID="a4"')
    assert read_elan(added, "v") == [*events[1:], events[0]]


BOMB = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</ANNOTATION_DOCUMENT>", "", "is not whole XML"),
        ('<?xml version="1.0" encoding="UTF-8"?>', BOMB, "declares a document type"),
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            BOMB.replace("[", 'SYSTEM "file:///x" ['),
            "declares a document type",
        ),
        (' TIME_VALUE="2000"', "", "an annotation 'dog' in the tier 'dog' has no time: align it in ELAN"),
        ('"2000"', '"2 s"', "has no time"),
        ('"2000"', f'"{"9" * 5000}"', "has no time"),
        ('"2000"', f'"{"9" * 400}"', "lies beyond what ELAN can hold"),
        (
            "<ANNOTATION_VALUE>0.5<",
            "<ANNOTATION_VALUE>high<",
            "the score 'high' in the tier 'dog score' must be a number",
        ),
        ('{"a1"', '{"a1', "the property 'avel' in its header is damaged: remove it"),
        ('"a1": [', '"a1": [[], ', "is damaged"),
        ("[1.0004", "[NaN", "is damaged"),
        ('2.0, "dog"', "2.0, 5", "is damaged"),
    ],
)
def test_what_is_wrong_is_told(old, new, message):
    text = elan_text([DOG])
    assert old in text
    with pytest.raises(ValueError, match=message):
        read_elan(text.replace(old, new), "v")


def test_the_property_is_plain_json():
    properties = ElementTree.fromstring(elan_text([DOG])).findall("HEADER/PROPERTY")
    assert {found.get("NAME"): json.loads(found.text) for found in properties} == {
        "lastUsedAnnotationId": 2,
        "avel": {"a1": [1.0004, 2.0, "dog"]},
    }
