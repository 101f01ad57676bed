"""Pure. Which key is whose, for what, and when? (``custody`` beneath is an edge.)"""
