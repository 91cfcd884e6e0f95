"""The command line: options are read, one or two functions called, the result handed to a view."""
