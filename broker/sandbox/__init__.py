"""Edge. Start what Enlace needs around it, privately, on one machine."""
