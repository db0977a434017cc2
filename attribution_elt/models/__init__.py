"""The SQL models of `transform/`: rendered, built in the warehouse and tested."""
