"""Tests of the simulated tenant: what it must do to be believed."""
