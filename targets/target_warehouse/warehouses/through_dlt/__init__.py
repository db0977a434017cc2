"""The adapter of all other warehouses, through dlt."""
