"""The benchmarks: real processes, load from outside, and beside every figure its limit, measured in the same run.

`heliograph bench --help`. Reads nothing of a running installation: every run has servers and a data folder of its own
under the temporary folder. Writes `bench/results/` (JSON, SVG). docs/performance.md says what the figures mean.
"""
