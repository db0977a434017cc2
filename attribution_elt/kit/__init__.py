"""The kit: code that the taps of all vendors share."""
