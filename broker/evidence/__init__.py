"""Pure. What can be proved later, and to whom?"""
