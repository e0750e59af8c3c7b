"""One file or folder per running box of DESIGN section 2: router, workers, senders, real time, API, reconciler.

Roles read and write the world through the ports of `heliograph.core.ports` only; they never import each other, a
backend or a provider. A role's file name is its name on the command line, in metrics and in the docs.
"""
