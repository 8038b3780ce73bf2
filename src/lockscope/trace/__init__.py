"""What was seen, on disk: the record format, its writer and its reader. It knows nothing of what a
lock means.

Nothing is imported here: a worker that only writes must not pay for the reader's arrays.
"""
