"""Operating the pipeline: the console script `attribution-elt`."""
