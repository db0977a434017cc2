"""What the taps and targets of this distribution share, and what operates them."""
