"""The kinds of chart, and figures made of them."""
