"""Providers: what carries a mail or a push to the outside world, one technology per file.

They read a `Mail` or a `PushMessage` and write to the network; what the other side says comes back as one of the
outcomes of `core/outcomes.py`. They never touch the store or the queue, never retry by themselves for long, and never
import each other's roles or a backend.
"""
