"""Images that clients send: read within limits, and checked before anything decodes them."""
