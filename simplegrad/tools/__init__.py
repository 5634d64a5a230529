"""What serves the reader: checking gradients, finding mistakes, explaining, drawing, saving.

Nothing of the mathematics knows this room.
"""
