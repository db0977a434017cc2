"""`attribution-elt report`: a page, made from the warehouse, that shows how things stand."""
