"""Seeing it happen: what a call computes, line by line, and the graph of a computation."""
