"""HTTP as every process of the system serves it: framing, limits and deadlines, probes that always answer, one error shape.

May import ``errors`` only. The server is waitress, which reads a whole request before it hands it to a thread: however
slowly a client sends, it holds a connection and no thread. What waitress leaves open is added here, in subclasses of its parser,
channel and server: ambiguous framing is refused, what is unfinished has a deadline, all bodies together have a limit, and errors
are problem details.
"""
