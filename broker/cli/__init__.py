"""Edge. The command `enlace`: data on standard output, talk on standard error."""
