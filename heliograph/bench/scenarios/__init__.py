"""What can be measured: one module a scenario, each a row in `heliograph/bench/registry.py`."""
