"""The query engine is tested part by part, and as a whole beside an oracle."""
