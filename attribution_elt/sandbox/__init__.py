"""The vendors on localhost, played from their documents: for demos, tests and users' CI.

To add a vendor, write a subclass of `attribution_elt.sandbox.vendor.Vendor` in a module of its own
and add one line to `Sandbox.__init__`. It gets a server, faults, recorded requests and a clock.
"""

from attribution_elt.sandbox.faults import Fault
from attribution_elt.sandbox.messages import Recorded, Request, Response
from attribution_elt.sandbox.sandbox import Sandbox

__all__ = ["Fault", "Recorded", "Request", "Response", "Sandbox"]
