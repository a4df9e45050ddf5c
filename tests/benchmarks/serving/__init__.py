"""Compares how fast a cached series is served with roapi, Datasette and bare FastAPI routes."""
