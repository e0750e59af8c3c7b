"""In-memory twins of every port: the same contract as the real backends (`tests/contract/`), without a server."""
