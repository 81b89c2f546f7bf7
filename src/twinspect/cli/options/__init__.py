"""The options of every verb, with the standard library's argparse alone: this is read before --help can answer."""
