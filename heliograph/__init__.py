"""Heliograph: a self-hosted notification system that never loses what it accepted and never delays what is urgent."""

__version__ = "0.1.0"
