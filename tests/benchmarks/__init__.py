"""Benchmarks: `make bench`. Nothing here is a test; times depend on the machine."""
