"""SAP Analytics Cloud model data as one clean, cached time series."""
