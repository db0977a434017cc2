"""The console script `attribution-elt`, which operates the pipeline."""
