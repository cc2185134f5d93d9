"""The commands of the command line, a module for each group; they are named in `almostlinear.cli`."""
