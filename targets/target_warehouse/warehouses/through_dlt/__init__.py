"""Every other warehouse, through dlt."""
