"""Pictures as inline SVG, each with a text alternative."""
