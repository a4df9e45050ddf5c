"""Speaks SAP Analytics Cloud: login and Data Export Service. Knows nothing of series or caches."""
