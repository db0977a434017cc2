"""The kit: what the taps of all vendors share."""
