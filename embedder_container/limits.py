"""Every limit on untrusted input, with its reason. Each is checked before the memory it guards is allocated."""

# The largest file that is downloaded: above the 20 MB that an upload may have.
MAX_FILE_BYTES = 25 * 1024 * 1024
TOO_LARGE_MESSAGE = f"the file is larger than {MAX_FILE_BYTES // (1024 * 1024)} MiB"
# Medium-format cameras reach 102 megapixels, phones 108. Pillow keeps four bytes a pixel, and orienting needs a second
# copy, so one image at this limit takes 0.9 GB for a moment, and more with transparency.
MAX_PIXELS = 110_000_000
# JPEG 2000 and pictures that are tone-mapped are decoded at a smaller size above this (docs/embedder.md).
LARGE_PIXELS = 25_000_000
# A strip a thousand times as long as it is wide shows nothing once it is a square; its resized form, which the
# reference transform makes before it crops, would have a thousand squares.
MAX_IMAGE_ASPECT = 1_000
# Only the first frame is opened. A file with more frames than this is a film, or a way to keep a parser busy.
MAX_FRAMES = 10_000
# Each further scan of a JPEG goes over all samples of its components, even if it has no data: 2 s of a processor for
# these. Encoders write about ten scans: 110 megapixels have 8 times their number of samples to go over if the colours
# are at half resolution, 14 if at full, 24 in four inks.
MAX_JPEG_SCANS = 200
MAX_JPEG_SAMPLES = 25 * MAX_PIXELS
# Segments of a JPEG, chunks of a PNG or WebP, strips or tiles of a TIFF: each is looked at in Python, in a microsecond.
MAX_PARTS = 100_000
# libtiff allocates a tile whole, whatever the image's size: no larger than the largest image.
MAX_TILE_PIXELS = MAX_PIXELS
# A colour profile is a few kilobytes (3 MB for a printer's with tables); a larger one is ignored.
MAX_PROFILE_BYTES = 4 * 1024 * 1024

# Time for one image in the decoder process. The slowest honest image, 110 megapixels of PNG with alpha and a profile,
# takes 5 s of a processor (`make stress SUITE=pictures` measures the worst of each format), and a machine that is short
# of processors does not change that. With ten, two processors decide on sixteen slow images within one invocation.
DECODE_PROCESSOR_SECONDS = 10
# Of the clock, for a codec that waits for ever. A function may have less than one processor for each decoder process.
DECODE_SECONDS = 30.0
# A decoder process starts in 0.2 s, and takes longer on a machine that is short of processors.
DECODER_START_SECONDS = 60.0
# Nothing begins in the last seconds of an invocation. What has begun ends within them: a download or an upload whose
# store is silent (10 s to connect and 10 s to read), or the model with eight images (3 s).
RESERVED_SECONDS = 25.0

# Memory. Address space of one decoder process: the largest honest image, 110 megapixels of lossy WebP, takes 1.9 GB,
# PNG with alpha 1.6 GB. Only a lossless WebP with alpha of more than 90 megapixels needs more, and is refused.
DECODE_MEMORY_BYTES = 2 * 1024**3
# Every decoder process may take so much at any time, its interpreter included: 24 megapixels of JPEG take 0.15 GB. An
# image that needs more waits until there is room (`decode_memory`).
SMALL_DECODE_BYTES = 256 * 1024**2
DECODER_BYTES = 48 * 1024**2  # of its interpreter and libraries
# The embedder's own process without its model: interpreter and libraries 0.1 GB, eight files in transfer 0.2 GB.
EMBEDDER_BYTES = 320 * 1024**2
# Of the function: the template's default for EmbedderMemory, which counts where nothing says another.
FUNCTION_MEMORY_MB = 3008
# A decoder process is replaced after this many images, which frees whatever a codec leaks.
DECODES_PER_PROCESS = 5_000

# What numpy computes is computed in bands of about this many pixels: they stay in the processor's cache, and no second
# copy of the picture is made.
BAND_PIXELS = 8_192
THUMBNAIL_SIDE = 512
LARGEST_THUMBNAIL_SIDE = 2_048  # that a caller may ask for
# Of what is mostly shown smaller than it is; 85 would be a sixth more bytes.
THUMBNAIL_QUALITY = 80
# Of smaller ones, in which less is seen.
SMALL_THUMBNAIL_QUALITY = 75
# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as long as its shorter side keeps this many times the model's
# input size: the vector then stays within a cosine of 0.998 of that of the full decode (measured: docs/embedder.md).
REDUCED_DECODE_MARGIN = 2
