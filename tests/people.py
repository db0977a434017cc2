"""The same people in the sandboxes of ECDP, Ignite and Attribution.io."""

from __future__ import annotations

import random
from typing import Any

import pytest

from attribution_elt.sandbox.attribution_io import api, customer
from attribution_elt.sandbox.ecdp import catalogue
from attribution_elt.sandbox.ignite import people

SPELLINGS = (str, str.upper, str.title, " {} ".format)


def address(number: int) -> str:
    """Return the e-mail address of a person."""
    return f"per.son+{number}@mail.example"


def phone(number: int) -> str:
    return f"+49170{number:07}"


def share(patch: pytest.MonkeyPatch, count: int) -> None:
    """Give the vendors the people with the numbers from 1 to `count`, in many spellings."""

    def buyer(rng: random.Random) -> dict[str, Any]:
        number = rng.randint(1, count)
        spelling = rng.choice(SPELLINGS)
        return {
            "id": 300000 + number,
            "email": spelling(address(number)),
            "phone": rng.choice((phone(number), phone(number).replace("+", "00 "))),
            "crmId": f"crm-{number}",
        }

    def number_of(text: str) -> int | None:
        numbers = (n for n in range(1, count + 1) if address(n) == text)
        return next(numbers, None)

    patch.setattr(catalogue, "customer", buyer)
    patch.setattr(people, "emails", lambda number, _: [address(number % count + 1)])
    for module in (api, customer):
        patch.setattr(module, "client_id", address)
    patch.setattr(api, "customer_number", number_of)
