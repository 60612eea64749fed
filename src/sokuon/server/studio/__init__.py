"""What the studio page needs beyond the APIs that others speak: lines with their readings, lengths and word times."""
