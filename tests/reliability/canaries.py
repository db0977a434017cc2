"""Accounts whose every secret is a canary, and vendors that sing them back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox.ignite import Ignite
from tests.reliability.truth import Account, world


def canary(name: str) -> str:
    """A secret that is spelt otherwise wherever anything is quoted."""
    return f"c4n4ry-{name}+/=&%?#\"\\'<z y>"


@contextmanager
def opened_by_canaries(folder: Path) -> Iterator[dict[str, Account]]:
    """An account at each vendor, by tap."""
    with world(folder, 1) as found:
        for account in found:
            if isinstance(account.vendor, Ignite):
                for site, given in zip(
                    account.vendor.websites, account.settings["websites"], strict=True
                ):
                    for name in ("token", "secret"):
                        given[name] = canary(f"{site.name}-{name}")
                        setattr(site, name, given[name])
            else:
                for name in account.vendor.credentials:
                    account.settings[name] = canary(name)
                    setattr(account.vendor, name, account.settings[name])
            account.settings |= {"max_retries": 1, "pii_key": canary("pii_key")}
        yield {account.tap: account for account in found}


def secrets_of(account: Account) -> set[str]:
    return {canary("pii_key"), *account.vendor.credentials.values()}


def echo(account: Account) -> str:
    """What a vendor says that repeats all that it knows."""
    texts = [text for secret in secrets_of(account) for text in spellings(secret)]
    return json.dumps({"message": " ".join(texts), "status": 500, "detail": texts})
