"""Template tags of the LinkedIn pages."""
