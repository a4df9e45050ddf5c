"""Tests of app.api.routes."""
