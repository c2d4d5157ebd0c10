"""What an engineer would write otherwise: the same work, delivered by other means. One process each."""
