"""Pure. What do the national results of one operation come to, and what is not known of it?"""
