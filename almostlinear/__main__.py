"""`python -m almostlinear`: the same as the console script `almostlinear`."""

from almostlinear.cli import main

if __name__ == "__main__":
    main()
