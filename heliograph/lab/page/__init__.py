"""Lab: the page at `/lab`: what arrived, as the person it was for would see it, and switches for the bad days.

Plain HTML from the server with links and forms that work by themselves; a small script only keeps the list live and
saves reloads. Reads journal and faults; writes faults, orders events and clears the journal as the control API does.
"""

from heliograph.lab.page.routes import page_routes

__all__ = ["page_routes"]
