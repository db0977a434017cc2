"""Changes whose outcome an interrupted run did not record."""

from __future__ import annotations

from attribution_elt.sandbox import Sandbox
from tests.targets.target_adtraction.helpers import (
    PENDING,
    STREAM,
    channels,
    puts,
    writer_of,
)
from tests.targets.target_warehouse.warehouses import SQLite
from tests.targets.writing import wishes


def test_the_next_run_records_what_became_of_a_change(sandbox: Sandbox, sqlite: SQLite) -> None:
    first, second = channels(sandbox, PENDING)[:2]
    writer = writer_of(sandbox, sqlite)
    assert writer.run(wishes(STREAM, [{"channel_id": first, "approval_status": 1}])).error is None
    with sqlite.connected() as connection, connection:  # commits
        connection.execute("DELETE FROM _writes WHERE outcome <> 'sent'")

    assert writer.run(wishes(STREAM, [{"channel_id": second, "approval_status": 1}])).error is None

    assert len(puts(sandbox)) == 2
    assert sqlite.rows(
        f'SELECT "outcome", "after", "reason" FROM _writes WHERE "key" = \'{first}\' ORDER BY "at"'
    ) == [
        ("sent", "approved", None),
        ("confirmed", "approved", "sent by a run that was interrupted"),
    ]
