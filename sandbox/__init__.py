"""The vendors on localhost, played from their documents: for demos, tests and users' CI.

To add a vendor, write a subclass of `sandbox.vendor.Vendor` in a file or folder of its own and add
it in `Sandbox.__init__`, one line. Server, faults, recorded requests and the clock come with it.
"""

from sandbox.faults import Fault
from sandbox.messages import Recorded, Request, Response
from sandbox.sandbox import Sandbox

__all__ = ["Fault", "Recorded", "Request", "Response", "Sandbox"]
