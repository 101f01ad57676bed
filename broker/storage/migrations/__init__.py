"""Edge. How did the schema come to be what it is? Alembic's scripts, oldest first."""
