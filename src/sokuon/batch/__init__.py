"""A table of lines → sounds: the same bytes for a line in whatever order, by however many processes, after any end."""
