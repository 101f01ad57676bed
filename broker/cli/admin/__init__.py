"""Edge. What administrators decide, written straight into the gateway's ledger."""
