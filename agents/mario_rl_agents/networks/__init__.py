"""Networks, and what their outputs mean."""
