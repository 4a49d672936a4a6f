"""Readers of containers: what a file of each format says about its picture, and the bytes that its pixels need.

A decoder is given these bytes alone. So damaged, short, oversized or unknown metadata never costs the picture, in any
format; orientation and colours, which change the picture, are read here.
"""
