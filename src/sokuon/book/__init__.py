"""Books read aloud: text, Markdown, EPUB and Aozora Bunko → chapters as sound files, or one M4B."""
