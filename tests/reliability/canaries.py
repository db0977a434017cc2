"""Accounts whose secrets are all canaries, and vendors that repeat them in their responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attribution_elt.kit.testing.spellings import spellings
from attribution_elt.sandbox.ignite import Ignite
from tests.reliability.truth import Account, open_accounts


def canary(name: str) -> str:
    """Return a secret with characters that every kind of quoting changes."""
    return f"c4n4ry-{name}+/=&%?#\"\\'<z y>"


@contextmanager
def opened_by_canaries(folder: Path) -> Iterator[dict[str, Account]]:
    """Open an account at each vendor; return the accounts by tap."""
    with open_accounts(folder, 1) as found:
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
    """Return a vendor's response that contains every secret in every spelling."""
    texts = [text for secret in secrets_of(account) for text in spellings(secret)]
    return json.dumps({"message": " ".join(texts), "status": 500, "detail": texts})
