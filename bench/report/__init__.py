"""Numbers, text and tables for a reader: shared by the terminal, the exports and the site."""
