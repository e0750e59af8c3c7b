"""The pure heart of Heliograph: what a notification is, where it may go and what may happen to it.

Nothing in this package does I/O, awaits, reads a clock or imports a client library; `tests/unit/core/test_purity.py`
fails otherwise. Everything above it (backends, roles) asks these functions and obeys.
"""
