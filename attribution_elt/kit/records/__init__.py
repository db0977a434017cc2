"""From a vendor's object to a Singer record."""
