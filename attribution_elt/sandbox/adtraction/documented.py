"""The document's sample responses.

Only the channels of the document see them: channel 1175982945 has program 629059552 and channel
101496920 has program 23959067, both in SE. Each of their feeds has one product, although the
samples give other numbers of products. The client's list returns the sample channel for channel id
26148592, although the sample itself has another id.
"""

from __future__ import annotations

from typing import Any

from attribution_elt.sandbox.exact_json import documented

_samples = documented(__package__)
FEED_INFO = _samples["feed_info"]
PRODUCT = _samples["product"]
FEED_LAST_UPDATED = "Tue Aug 27 14:56:30 CEST 2019"
CHANNEL = _samples["channel"]
CHANNEL_ID = 26148592

PROGRAMS: dict[int | None, dict[str, Any]] = {  # the keys are channel ids
    1175982945: _samples["program"],
    101496920: _samples["program"]
    | {
        "programId": 23959067,
        "feeds": [{name: value for name, value in FEED_INFO.items() if name != "approvalStatus"}],
    },
}
