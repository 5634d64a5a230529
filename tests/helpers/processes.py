"""Processes that call MPI's collectives together: as threads, which need no MPI."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor


class Thread:
    """What `simplegrad.parallel` uses of mpi4py's communicator, with the same names."""

    def __init__(self, rank=0, size=1, board=None, barrier=None):
        self.rank, self.size = rank, size
        self.board = {} if board is None else board
        self.barrier = barrier or threading.Barrier(1)

    def allgather(self, mine):
        self.board[self.rank] = copy.deepcopy(mine)
        self.barrier.wait()
        found = [copy.deepcopy(self.board[k]) for k in range(self.size)]
        self.barrier.wait()
        return found

    def Bcast(self, mine):
        mine[...] = self.allgather(mine)[0]

    def Allgather(self, mine, every):
        every[...] = self.allgather(mine)

    def Allreduce(self, mine, total):
        total[...] = sum(self.allgather(mine))


def together(size, function):
    """What `function(comm)` returns in each of some threads, or the error that it raises."""
    board, barrier = {}, threading.Barrier(size)

    def call(rank):
        try:
            return function(Thread(rank, size, board, barrier))
        except ValueError as error:
            return error
        except BaseException:
            barrier.abort()  # else the others would wait
            raise

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(call, range(size)))
