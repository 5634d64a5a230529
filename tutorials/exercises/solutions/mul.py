"""A solution of the exercise mul."""


def da(dc, c, a, b):
    return dc * b


def db(dc, c, a, b):
    return dc * a
