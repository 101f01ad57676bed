"""Edge. Puts the parts together: the only place that knows which adapter stands where."""
