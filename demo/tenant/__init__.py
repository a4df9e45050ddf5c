"""A simulated SAP Analytics Cloud tenant."""
