"""Comparing methods on one's own images: each is fitted for some minutes, and they are ranked by what they find."""
