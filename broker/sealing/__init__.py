"""Pure. Close a message so that only its recipients can open it, and open it again."""
