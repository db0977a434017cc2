"""The five vendors as local HTTP servers, for demos, tests and users' CI.

To simulate another vendor, write a subclass of `attribution_elt.sandbox.vendor.Vendor` and pass it
to `Sandbox.add`. The base class provides faults, recorded requests, withdrawals and the clock.
"""

from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Recorded, Request, Response
from attribution_elt.sandbox.sandbox import Sandbox

__all__ = ["Fault", "Recorded", "Request", "Response", "Sandbox"]
