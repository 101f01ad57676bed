"""Edge. Private keys at rest: who may read this file, and with what?"""
