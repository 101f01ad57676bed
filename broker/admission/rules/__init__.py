"""Pure. The safeguards: each rule one short function, all of them in one table."""
