"""The modules that every other package uses."""
