"""Forwarding as sendmail's users know it: aliases, lists and .forward files, compiled.

Layers       what parses and compiles is pure (bytes in, records or steps out); files
             and passing touch the kernel. One program's main joins them.
"""
