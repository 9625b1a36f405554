"""unictoken: teach a frozen early-fusion model your concept, and keep it in one small safe file.

Shapes in docstrings and tensor names use one legend:
B batch, T sequence, P concept rows, D width, V vocabulary, K image ids per picture.
"""

__version__ = "0.2.0"
