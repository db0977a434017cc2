"""Names that the taps, the loader and `attribution-elt` share.

Taps and the loader log events: log records with extra fields. Meltano keeps the fields if
its log is JSON, and `attribution-elt run` reads them there.
"""

from __future__ import annotations

import os
import uuid
from typing import Any

FIELD = "elt_event"
"""The field that names an event. Meltano uses `event` for the text of the message."""
RUN_ID = "ATTRIBUTION_ELT_RUN_ID"
"""The environment variable that names the run for the loader's rows of `_runs`."""

RUNS = "_runs"
"""The table of runs: a row for each run and stream."""
REJECTED = "_rejected"
"""The table of records that a load rejected."""
VERIFICATIONS = "_verifications"
"""The table of comparisons with the vendor."""
MASKING = "_masking"
"""The table of streams with masked personal data, and how it is masked."""
SUPPRESSED = "_suppressed"
"""The table of the keyed hashes of forgotten people."""
WRITES = "_writes"
"""The table of writes to vendors and their outcomes."""

CLAIMS = "x-claims"
"""The annotation of a schema that lists the columns which claims of the stream may use."""
VOLATILE = "x-volatile"
"""The annotation of a schema that lists the columns which differ between readings of equal data."""


def id_of_run() -> str:
    """Return the id of the run that Meltano started, or a new one."""
    return os.environ.get(RUN_ID) or str(uuid.uuid4())


def event(kind: str, **fields: Any) -> dict[str, Any]:
    """Return the `extra` argument of a log call for an event."""
    return {FIELD: kind, **fields}
