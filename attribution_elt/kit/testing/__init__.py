"""The conformance suite of a vendor's tap, and helpers for the vendor's own tests.

from attribution_elt.kit.testing import Expectations, conformance
"""

import pytest

pytest.register_assert_rewrite(
    "attribution_elt.kit.testing.bench", "attribution_elt.kit.testing.suite"
)

from attribution_elt.kit.testing.bench import Bench, Expectations  # noqa: E402 - as well
from attribution_elt.kit.testing.process import Output, Row, Rows  # noqa: E402 - after the line above
from attribution_elt.kit.testing.suite import conformance  # noqa: E402 - as well
from attribution_elt.kit.testing.warehouse import (  # noqa: E402 - as well
    ClaimError,
    Warehouse,
    claims_of,
)

__all__ = [
    "Bench",
    "ClaimError",
    "Expectations",
    "Output",
    "Row",
    "Rows",
    "Warehouse",
    "claims_of",
    "conformance",
]
