"""Sokuon (速音): fast, exact Japanese text-to-speech on ordinary CPUs."""
