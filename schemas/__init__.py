"""The single definition of every stream's columns: a folder a tap, a file a stream."""
