"""How right an answer or a drawing is: metrics, options that are chosen, judges of drawings."""
