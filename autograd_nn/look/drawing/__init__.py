"""Graphs as pictures: the layout of the nodes, and the drawing."""
