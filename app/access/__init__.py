"""Who may do what: keys, tokens of an issuer, roles, and how often. Knows no web framework."""
