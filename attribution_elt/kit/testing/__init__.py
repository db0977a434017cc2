"""The conformance suite of a vendor, and what its own tests need beside it."""
