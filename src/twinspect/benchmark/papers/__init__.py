"""Tables and figures of the papers, each by one command: a record says what each holds, and one program runs all."""
