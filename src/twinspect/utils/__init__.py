"""Helpers without a concern of their own: files, devices, progress, several processes."""
