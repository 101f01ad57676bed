"""Pure. May this message enter, and where may it go?"""
