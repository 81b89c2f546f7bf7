"""Tables and figures of the papers, each by one command: what each holds is a record, and one program runs them all."""
