"""The ground floor: what every other package uses."""
