"""Backends: one technology per folder or file, each an implementation of a port of `heliograph.core.ports`.

They read and write their own technology only, never each other's, and know nothing of roles. Which one runs is the
cli's choice, by URL.
"""
