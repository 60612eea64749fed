"""A voice in the layouts of other programs, on the converter's graph writer."""
