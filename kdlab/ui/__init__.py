"""What a visitor sees: components under the hand, figures, and the words around them."""
