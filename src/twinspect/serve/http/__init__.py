"""The HTTP side of the server: requests, limits, monitoring and response bodies."""
