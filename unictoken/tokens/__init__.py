"""Concept tokens: the rows that are learned, where they begin, and the one file that keeps them."""
