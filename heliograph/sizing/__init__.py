"""How much of everything a load needs, and how long things wait in it: pure arithmetic and a simulation, no I/O.

`heliograph plan` shows it. Reads unit costs that `heliograph bench` measured; writes nothing.
"""
