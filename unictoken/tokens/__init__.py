"""Concept tokens: the rows that are learned, where they begin, the bank that puts them on a base, and
the one file that keeps them.
"""
