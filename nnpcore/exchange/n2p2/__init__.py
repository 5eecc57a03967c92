"""n2p2's folders, in and out."""

from nnpcore.exchange.n2p2.reading import read_n2p2
from nnpcore.exchange.n2p2.writing import write_n2p2

__all__ = ["read_n2p2", "write_n2p2"]
