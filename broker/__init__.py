"""The exchange: accept, relay, hand over."""
