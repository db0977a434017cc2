"""`attribution-elt report`: a page about revenue and the pipeline, from the warehouse."""
