"""Benchmarks: ratios of this library to its peers, measured side by side in one run (see README.md)."""
