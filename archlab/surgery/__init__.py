"""New weights of old ones: of another architecture, or of another depth or vocabulary."""
