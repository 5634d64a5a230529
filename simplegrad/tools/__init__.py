"""What serves the reader: checking gradients, finding mistakes, explaining, drawing, saving.

None of the mathematics imports it.
"""
