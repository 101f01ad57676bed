"""Edge. See the exchange work, on this machine: eleven countries, real cases, and proofs."""
