"""The colours in an AV1 stream's sequence header, which count where an AVIF's boxes say none.

AV1 Bitstream & Decoding Process Specification, 5.5: https://aomediacodec.github.io/av1-spec/
"""

_SEQUENCE_HEADER = 1
_MAX_OBUS = 16


def code_points(stream: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer of the stream's first sequence header; None if it declares none."""
    try:
        header = _sequence_header(stream)
        return None if header is None else _colour_description(_Bits(header))
    except IndexError:
        return None


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def read(self, count: int) -> int:
        value = 0
        for _ in range(count):
            value = value << 1 | self._data[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def flag(self) -> bool:
        return bool(self.read(1))

    def skip_uvlc(self) -> None:
        zeros = 0
        while not self.read(1):
            zeros += 1
        self.read(zeros if zeros < 32 else 0)


def _sequence_header(stream: bytes) -> bytes | None:
    at = 0
    for _ in range(_MAX_OBUS):
        head = stream[at]
        at += 2 if head & 4 else 1
        size, shift = 0, 0
        while head & 2:
            byte = stream[at]
            size |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not byte & 0x80 or shift > 56:
                break
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            return stream[at : at + size] if head & 2 else stream[at:]
        if not head & 2:
            return None
        at += size
    return None


def _colour_description(bits: _Bits) -> tuple[int, int] | None:
    profile, _, is_reduced = bits.read(3), bits.flag(), bits.flag()
    if is_reduced:
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    bits.read(width_bits + height_bits)
    if not is_reduced and bits.flag():  # frame numbers
        bits.read(7)
    bits.read(3)
    if not is_reduced:
        _skip_tools(bits)
    bits.read(3)
    is_deep = bits.flag()
    if profile == 2 and is_deep:
        bits.read(1)
    if profile != 1:
        bits.read(1)  # monochrome
    return (bits.read(8), bits.read(8)) if bits.flag() else None


def _skip_operating_points(bits: _Bits) -> None:
    has_decoder_model, delay_bits = False, 0
    if bits.flag():  # timing
        bits.read(64)
        if bits.flag():
            bits.skip_uvlc()
        has_decoder_model = bits.flag()
        if has_decoder_model:
            delay_bits = bits.read(5) + 1
            bits.read(42)
    has_display_delay = bits.flag()
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if has_decoder_model and bits.flag():
            bits.read(2 * delay_bits + 1)
        if has_display_delay and bits.flag():
            bits.read(4)


def _skip_tools(bits: _Bits) -> None:
    bits.read(4)
    has_order_hint = bits.flag()
    if has_order_hint:
        bits.read(2)
    chooses_screen_tools = bits.flag()
    if (chooses_screen_tools or bits.flag()) and not bits.flag():
        bits.read(1)
    if has_order_hint:
        bits.read(3)
