"""Many small models, one a camera or product: listed in one table, fitted side by side, each exactly once."""
