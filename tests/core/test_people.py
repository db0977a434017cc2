"""People are found in every spelling, and nobody else is."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import unicodedata
from typing import Any
from urllib.parse import quote

import pytest
from target_warehouse.suppressed import Suppressed

from attribution_elt.core.people import People, Personal
from attribution_elt.core.pseudonyms import keyed_hash, normal_address, person_key

KEY = "a key of this test"
JANE = "Jane.Doe+shop@Example.com"
NORMAL = JANE.lower()


def digest(name: str, text: str = NORMAL) -> str:
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


SPELLINGS = [
    JANE,
    NORMAL.upper(),
    f"  {NORMAL} ",
    quote(NORMAL),
    f"https://shop.example/?a=1&email={quote(NORMAL, safe='')}&b=2",
    f"https://x.example/?next=%2Fa%3Femail%3D{quote(NORMAL, safe='')}",
    f'mail from "Jane" <{JANE}>, today',
    "https://x.example/?to=" + quote("/?m=" + quote(NORMAL, safe="") + "&n=1", safe=""),
    json.dumps(NORMAL).replace("@", "\\u0040"),
    json.dumps(json.dumps(NORMAL).replace("@", "\\u0040")),
    json.dumps(json.dumps(f"to:\n{NORMAL}\n")),
    json.dumps(f"<{NORMAL}>").replace("<", "\\u003c").replace(">", "\\u003e"),
    html.escape(html.escape(NORMAL).replace("@", "&#64;")),
    html.escape(NORMAL).replace("@", "&#64;"),
    *(digest(name) for name in ("md5", "sha1", "sha256")),
    digest("sha256").upper(),
    f"website_1:{keyed_hash(digest('sha256'), KEY)}",
    keyed_hash(digest("md5"), KEY),
    person_key(JANE, KEY),
    base64.b64encode(NORMAL.encode()).decode(),
    base64.b64encode(f"x {NORMAL},yz".encode()).decode(),
    base64.urlsafe_b64encode(f"id={NORMAL};".encode()).decode(),
    f"https://x.example/open/{base64.urlsafe_b64encode(JANE.upper().encode()).decode()}/a",
    f"https://x.example/invite/{base64.b64encode(NORMAL.encode()).decode().rstrip('=')}",
    quote(base64.b64encode(f"?>{NORMAL}".encode()).decode(), safe=""),
    NORMAL.upper().encode().hex().upper(),
    f"\ufeff{NORMAL}",
    NORMAL.encode().hex(),
]
OTHERS = [
    "doe+shop@example.com",
    "xJane.Doe+shop@example.com",
    "jane.doe+shop@example.com.au",
    "jane.doe+shop@example.community",
    "jane.doe@example.com",
    f"a{digest('md5')}",
    base64.b64encode(f"x{NORMAL}".encode()).decode(),
    f"x{NORMAL}".encode().hex(),
    "A" * 5000,
    "/" * 5000,
    digest("md5")[:-1],
    "@example.com",
    "jane.doe+shop@",
    "",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_person_is_found_and_cut_in_every_spelling(text: str) -> None:
    people = People([JANE], [KEY])
    assert people.finds(text)
    assert people.finds({"deep": [None, {"member": text}]})
    assert not people.finds(people.without(text))
    assert not people.finds(people.without({text: [text]}))


@pytest.mark.parametrize("text", OTHERS)
def test_other_people_are_left_alone(text: str) -> None:
    people = People([JANE], [KEY])
    assert not people.finds(text)
    assert people.without(text) == text


def test_cutting_keeps_the_rest_of_a_text() -> None:
    people = People([JANE, "joe@example.com"], [])
    url = f"https://shop.example/?mail={quote(NORMAL, safe='')}&to=joe@example.com&b=2"
    assert people.without(url) == "https://shop.example/?mail=erased&to=erased&b=2"


WIDE = str.maketrans({chr(each): chr(each + 0xFEE0) for each in range(0x21, 0x7F)})
BUECHER = "jörg@bücher.example"
FORMS = [
    BUECHER,
    BUECHER.upper(),
    *(
        unicodedata.normalize(form, each)
        for form in ("NFC", "NFD")
        for each in (BUECHER, "JÖRG@BÜCHER.EXAMPLE")
    ),
    BUECHER.translate(WIDE),
    f"\u3000{BUECHER} ",
]


def test_one_person_in_all_forms_of_unicode() -> None:
    sha256 = hashlib.sha256(BUECHER.encode()).hexdigest()
    for form in FORMS:
        assert person_key(form, KEY) == keyed_hash(sha256, KEY)
        people = People([form], [KEY])
        for text in (*FORMS, sha256):
            for finder in (people, Suppressed(people.pseudonyms, KEY)):
                assert finder.finds(text, personal=True), (form, text)
                assert finder.finds({"note": f"mail from <{text}>"}), (form, text)


@pytest.mark.parametrize("name", ["J\u030c@x.example", "İ@x.example", "\u017f@x.example", "ﬁ@x--"])
def test_the_normal_form_of_an_address_is_final(name: str) -> None:
    normal = normal_address(name)
    assert normal_address(normal) == normal_address(normal.upper()) == normal


def test_an_address_in_punycode_has_the_hash_that_vendors_send() -> None:
    address = "anna@xn--bcher-kva.example"
    sent = hashlib.sha256(address.encode()).hexdigest()
    assert person_key(address.upper(), KEY) == keyed_hash(sent, KEY)


def test_similar_ids_are_different_people() -> None:
    assert person_key("\u2460", KEY) != person_key("1", KEY)


def test_the_loader_finds_the_same_spellings() -> None:
    theirs = Suppressed(People([JANE], [KEY]).pseudonyms, KEY)
    assert [each for each in SPELLINGS if not theirs.finds(each)] == []
    assert [each for each in OTHERS if theirs.finds(each)] == []


ORDERS = Personal(frozenset({"email", "phone"}), frozenset({"customer"}), keys=frozenset({"id"}))
ORDER = {"id": 1, "email": JANE, "phone": "+49170", "customer": 7, "total": 5, "_sdc_sequence": 1}


@pytest.mark.parametrize(
    ("personal", "row", "left"),
    [
        (ORDERS, ORDER, {**ORDER, "email": None, "phone": None, "customer": None}),
        (ORDERS, {**ORDER, "email": "joe@example.com"}, {**ORDER, "email": "joe@example.com"}),
        (
            ORDERS,
            {**ORDER, "email": None, "note": f"for {JANE}"},
            {**ORDER, "email": None, "note": "for erased"},
        ),
        (ORDERS, {**ORDER, "total": None}, None),
        (ORDERS, {**ORDER, "id": digest("md5")}, None),
        (
            Personal(frozenset({"who", "list"}), keys=frozenset({"who"})),
            {"who": "c7", "list": [JANE]},
            None,
        ),
        (
            Personal(frozenset({"name", "list"}), lists=frozenset({"list"})),
            {"name": "D", "list": [digest("md5"), "other"], "n": 1},
            {"name": "D", "list": ["other"], "n": 1},
        ),
        (
            Personal(frozenset({"name", "list"}), lists=frozenset({"list"})),
            {"name": "D", "list": [digest("md5")], "n": 1},
            {"name": None, "list": None, "n": 1},
        ),
        (Personal(), {"text": JANE, "n": 1}, {"text": None, "n": 1}),
    ],
)
def test_a_row_loses_the_person_and_keeps_the_facts(
    personal: Personal, row: dict[str, Any], left: dict[str, Any] | None
) -> None:
    assert personal.erased(row, People([JANE], [])) == left


def test_another_id_of_a_person_matches_only_a_whole_value() -> None:
    people = People([JANE], [KEY])
    assert people.add_id("customer-7")
    assert not people.add_id("customer-7")
    assert people.finds(["customer-7"], personal=True)
    assert not people.finds("customer-77", personal=True)
    assert not people.finds("customer-7"), "elsewhere it may be another thing's id"
    assert not People([JANE], [KEY]).finds("customer-7", personal=True)
    assert person_key("customer-7", KEY) in people.pseudonyms


def test_ids_that_a_copy_learns_stay_in_the_copy() -> None:
    people = People([JANE], [KEY])
    pseudonyms = set(people.pseudonyms)
    assert people.copy().add_id("customer-7")
    assert people.pseudonyms == pseudonyms
    assert not people.finds("customer-7", personal=True)
