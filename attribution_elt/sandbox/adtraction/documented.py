"""The document's sample answers.

They are what the channels of the document see, and only these: channel 1175982945 has program
629059552 and channel 101496920 has program 23959067, both in SE. Any feed of theirs gives the
sample product alone, whatever number of products the samples tell. Asked for channel 26148592, the
client's side gives the sample channel, although that bears another number.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from attribution_elt.sandbox.exact_json import decode

_samples = decode((files(__package__) / "documented.json").read_bytes())
FEED_INFO = _samples["feed_info"]
PRODUCT = _samples["product"]
FEED_LAST_UPDATED = "Tue Aug 27 14:56:30 CEST 2019"
CHANNEL = _samples["channel"]
CHANNEL_ID = 26148592

PROGRAMS: dict[int | None, dict[str, Any]] = {  # by channel
    1175982945: _samples["program"],
    101496920: _samples["program"]
    | {
        "programId": 23959067,
        "feeds": [{name: value for name, value in FEED_INFO.items() if name != "approvalStatus"}],
    },
}
