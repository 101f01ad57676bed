"""Pure. What the flow needs of the world; each docstring is a contract that a suite tests.

Two adapters stand behind each port (SQLite and PostgreSQL, RabbitMQ and local), and one
contract suite runs against both. Every method raises ``LedgerUnavailableError`` or
``TransportUnavailableError`` when its world is away, and never anything foreign.
"""
