"""Pure. What may a message say? Schemas, code lists and examples, as data."""
