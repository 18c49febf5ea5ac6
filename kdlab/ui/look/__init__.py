"""How everything looks: colours, the style of figures, words and numbers."""
