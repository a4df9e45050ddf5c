"""Tests of the service; the tree mirrors app."""
