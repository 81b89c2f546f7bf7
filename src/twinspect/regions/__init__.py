"""Regions of interest: which part of an image is looked at, from masks and polygons."""
