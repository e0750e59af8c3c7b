"""Processes of their own that scenarios start: the limits, and parts of the system measured alone."""
