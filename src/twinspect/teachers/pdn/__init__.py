"""Patch description networks: shallow teachers whose features see 33 pixels (Batzner et al., WACV 2024)."""
