"""The options of every verb, one file each: they import only the standard library, so that --help is fast."""
