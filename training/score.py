#!/usr/bin/env python3
"""Scores a model that a Triptych server serves, and prints one table. Needs Python 3.11, numpy and Pillow."""

from shapes.served import main

if __name__ == "__main__":
    main()
