"""Edge. The country side: a client of the gateway, and the inbox of a desk."""
