"""Edge. What was accepted, and what became of it?

Callers need two names: ``ledger.open_ledger`` and ``migrate.upgrade``. Every access is a plain
function over one SQLAlchemy connection; ``database`` runs it in a thread (SQLite) or on the
event loop (PostgreSQL), ``group_commit`` puts many into one transaction.
"""
