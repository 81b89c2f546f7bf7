"""Folders and cameras that images arrive in."""
