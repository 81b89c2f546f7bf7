"""Many small models, one for each camera or product: listed in one table, fitted side by side, each exactly once."""
