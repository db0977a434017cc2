"""Settings that connect each tap with a sandbox, as variables of the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attribution_elt.sandbox.sandbox import Sandbox


def settings(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    """Return the settings of each tap."""
    ecdp, adtraction, ignite = sandbox.ecdp, sandbox.adtraction, sandbox.ignite
    attribution_io, ihc = sandbox.attribution_io, sandbox.ihc
    return {
        "tap-ecdp": {
            "api_url": ecdp.url,
            "api_key": ecdp.api_key,
            "start_date": str(ecdp.first_day),
        },
        "tap-adtraction": {
            "api_url": adtraction.url,
            "partner_token": adtraction.partner_token,
            "client_token": adtraction.client_token,
            "markets": list(adtraction.markets),
            "channel_ids": list(adtraction.channel_ids),
        },
        "tap-ignite": {
            "api_url": ignite.url,
            "websites": [
                {"name": site.name, "token": site.token, "secret": site.secret}
                for site in ignite.websites
            ],
        },
        "tap-attribution-io": {
            "api_url": attribution_io.url,
            "public_key": attribution_io.public_key,
            "secret": attribution_io.secret,
            "customer_ids": attribution_io.client_ids,
        },
        "tap-ihc": {"api_url": ihc.url, "api_key": ihc.api_key, "conv_type_id": ihc.conv_type_id},
    }


def variables(sandbox: Sandbox) -> dict[str, str]:
    """Return the same settings as variables of the environment."""
    return {**spelled(settings(sandbox)), "TAP_ECDP_REPORTING_CURRENCY": "EUR"}


def spelled(every: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return settings of plugins as variables of the environment, in Meltano's spelling."""
    return {
        f"{plugin}_{name}".upper().replace("-", "_"): (
            value if isinstance(value, str) else json.dumps(value)
        )
        for plugin, config in every.items()
        for name, value in config.items()
    }


def write(sandbox: Sandbox, path: Path) -> None:
    """Write an env file with the variables, the sandbox's URL and the id of this process."""
    more = {"SANDBOX_URL": sandbox.url, "SANDBOX_PID": str(os.getpid())}
    lines = [f"{name}='{value}'\n" for name, value in {**variables(sandbox), **more}.items()]
    partial = path.with_name(f"{path.name}.part")  # so that the file appears complete
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
