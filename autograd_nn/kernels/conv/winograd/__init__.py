"""Winograd's convolutions: the transforms of tiles, and the passes that are made of them."""
