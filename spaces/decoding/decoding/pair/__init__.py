"""Two models on one prompt: where their texts part, and how far apart their odds are at every step."""
