"""The five vendors as local HTTP servers, for demos, tests and users' CI.

To add a vendor, write a subclass of `attribution_elt.sandbox.vendor.Vendor` in a new module and
add one line to `Sandbox.__init__`. The base class provides the server, faults, recorded requests,
withdrawals and the clock.
"""

from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Recorded, Request, Response
from attribution_elt.sandbox.sandbox import Sandbox

__all__ = ["Fault", "Recorded", "Request", "Response", "Sandbox"]
