"""Pure. What people read, in their language."""
