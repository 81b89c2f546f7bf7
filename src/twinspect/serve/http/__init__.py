"""The HTTP side of the server: requests, limits, monitoring, and what answers look like."""
