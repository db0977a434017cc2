"""Targets that write to a vendor: wishes are read, compared, limited, recorded and sent."""
