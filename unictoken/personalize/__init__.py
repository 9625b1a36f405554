"""Using a base with your concepts: what is asked and drawn, with one concept or several."""
