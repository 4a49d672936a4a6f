"""Every limit on what strangers may send, each with its reason. All hold before the memory they guard is allocated."""

# The largest file that is downloaded: above the 20 MB that an upload may have.
MAX_BYTES = 25 * 1024 * 1024
TOO_LARGE = f"the file is larger than {MAX_BYTES // (1024 * 1024)} MiB"
# Medium-format cameras reach 102 megapixels. Pillow keeps four bytes a pixel, and orienting needs a second copy, so one
# picture at this limit takes 0.9 GB for a moment.
MAX_PIXELS = 110_000_000
# Above this a picture waits until no other such picture is being decoded: 24-megapixel cameras are common, and two of
# their pictures at once are 0.2 GB each; two at MAX_PIXELS would not fit into the function.
LARGE_PIXELS = 25_000_000
# A strip a thousand times as long as it is wide shows nobody anything once it is a square; its resized form, which the
# reference transform makes before it crops, would have a thousand squares.
MAX_IMAGE_ASPECT = 1_000
# Only the first frame is opened. More than this are not a picture but a film, or a way to keep a parser busy.
MAX_FRAMES = 10_000
# Each scan of a progressive JPEG is a pass over all of its pixels; encoders write about ten.
MAX_SCANS = 200
# libtiff allocates a tile whole, whatever the picture's size: no larger than the largest picture.
MAX_TILE_PIXELS = MAX_PIXELS
# A colour profile is a few kilobytes (3 MB for a printer's with tables); a larger one is ignored.
MAX_PROFILE_BYTES = 4 * 1024 * 1024

# What one picture may take in the process that decodes it. The slowest honest picture, 110 megapixels of PNG, takes
# 3 s on one processor; the time is the wall's, and a function may have less than one.
DECODE_SECONDS = 20.0
# For the process itself to come up: 0.2 s, and longer where a machine is short of processors.
START_SECONDS = 60.0
# Address space: 0.3 GB for the process and its libraries, 1.4 GB for a picture of MAX_PIXELS with transparency.
DECODE_MEMORY_BYTES = 2 * 1024**3
# A decoder process is replaced after this many pictures: whatever a codec leaks goes with it.
DECODES_PER_PROCESS = 5_000

THUMBNAIL_SIDE = 512
THUMBNAIL_QUALITY = 85
# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side keeps this many times what the model
# asks for: the vector then stays within a cosine of 0.998 of that of the full decode (measured: docs/embedder.md).
REDUCED_MARGIN = 2
