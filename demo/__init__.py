"""Demonstrations of sac-series, and the simulated tenant that they run against."""
