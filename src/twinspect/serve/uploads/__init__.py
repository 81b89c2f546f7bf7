"""Images that clients send: read within limits, and checked before they are decoded."""
