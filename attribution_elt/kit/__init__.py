"""Singer taps, a folder for each vendor; the files beside them are what all vendors share."""
