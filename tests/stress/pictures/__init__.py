"""Pictures through the decoder process: any folder beside libvips, or the costliest that the limits admit."""
