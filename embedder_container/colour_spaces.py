"""Colour spaces that a file declares by numbers instead of an ICC profile, and how they become sRGB.

Numbers are code points of ITU-T H.273 (cICP in PNG, nclx in AVIF and HEIF) or PNG's gAMA and cHRM. What they mean is
what Chromium makes of them; `tests/pictures` has its pixels. PQ and HLG are brought to the range of an SDR display by
the Reference White Tone Mapping Operator of SMPTE ST 2094-50, annex D, which Chromium applies (Skia's
`src/codec/SkHdrAgtm.cpp`): white is 203 cd/m² (ITU-R BT.2408), the peak is what the file states, or 1,000 cd/m².
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embedder_container import limits

Values = NDArray[np.float64]

WHITE_NITS = 203.0
DEFAULT_PEAK_NITS = 1000.0
PQ_PEAK_NITS = 10_000.0
HLG_PEAK_NITS = 1000.0
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020's red, green and blue

# x and y of red, green, blue and white.
Chromaticities = tuple[float, float, float, float, float, float, float, float]
_D65, _C, _E = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3)
SRGB_PRIMARIES: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *_D65)
BT2020_PRIMARIES: Chromaticities = (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65)
# H.273, table 2.
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB_PRIMARIES,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, *_C),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *_D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *_D65),
    8: (0.681, 0.319, 0.243, 0.692, 0.145, 0.049, *_C),
    9: BT2020_PRIMARIES,
    10: (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, *_E),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    22: (0.630, 0.340, 0.295, 0.605, 0.155, 0.077, *_D65),
}
UNSPECIFIED = 2

# The Bradford adaptation and the white of ICC's connection space.
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D50_XYZ = np.array([0.9642, 1.0, 0.8249])


@dataclass(frozen=True)
class Curve:
    """Code value to linear light: (a·x + b)^gamma from `start` on, slope·x below it; ICC's parametric curve 3."""

    gamma: float
    a: float = 1.0
    b: float = 0.0
    slope: float = 0.0
    start: float = 0.0

    def linear(self, values: Values) -> Values:
        power = np.maximum(self.a * values + self.b, 0.0) ** self.gamma
        return np.where(values >= self.start, power, self.slope * values)

    def icc(self) -> bytes:
        numbers = (self.gamma, self.a, self.b, self.slope, self.start)
        return b"para" + struct.pack(">IHH5i", 0, 3, 0, *(round(number * 65536) for number in numbers))


SRGB_CURVE = Curve(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BROADCAST_CURVE = Curve(2.4)  # what displays do (ITU-R BT.1886), not what cameras do
# H.273, table 3. 428 has its 52.37/48 as (1.0335 x)^2.6.
CURVES: dict[int, Curve] = {
    1: _BROADCAST_CURVE,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _BROADCAST_CURVE,
    7: Curve(1 / 0.45, 1 / 1.1115, 0.1115 / 1.1115, 1 / 4, 0.0913),
    8: Curve(1.0),
    11: _BROADCAST_CURVE,
    13: SRGB_CURVE,
    14: _BROADCAST_CURVE,
    15: _BROADCAST_CURVE,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
}
_BROADCAST_CURVES = (1, 6, 14, 15)
PQ, HLG = 16, 18
# libpng and Chromium take a gamma this near to 1/2.2 for sRGB's curve.
SRGB_GAMMA, GAMMA_TOLERANCE = 0.45455, 0.05


@dataclass(frozen=True)
class ColourSpace:
    """Primaries with white, and a curve (or PQ or HLG, with the brightest value that the picture has)."""

    primaries: Chromaticities
    curve: Curve | int
    peak_nits: float = DEFAULT_PEAK_NITS

    @property
    def is_srgb(self) -> bool:
        return self.primaries == SRGB_PRIMARIES and self.curve == SRGB_CURVE

    @property
    def is_hdr(self) -> bool:
        return not isinstance(self.curve, Curve)

    def to_srgb(self, values: Values) -> Values:
        """Return sRGB's code values of code values (0 to 1, shape [..., 3]) of this space, clipped to 0…1."""
        if isinstance(self.curve, Curve):
            return _srgb_codes(self.curve.linear(values) @ _matrix(self.primaries, SRGB_PRIMARIES).T)
        light = _pq_light(values) if self.curve == PQ else _hlg_scene(values)
        light = light @ _matrix(self.primaries, BT2020_PRIMARIES).T
        if self.curve == HLG:
            # As a display of 1,000 cd/m² shows it: ITU-R BT.2100, system gamma 1.2.
            light = HLG_PEAK_NITS / WHITE_NITS * light * np.maximum(light @ _LUMINANCE, 0)[..., None] ** 0.2
        brightest = light.max(axis=-1, keepdims=True)
        light = light * _tone_gain(brightest, self.peak_nits)
        return _srgb_codes(light @ _matrix(BT2020_PRIMARIES, SRGB_PRIMARIES).T)

    def grey_to_srgb(self, greys: int) -> NDArray[np.float32]:
        """Return sRGB's values, 0 to 255, of this many evenly spaced greys."""
        values = np.linspace(0, 1, greys)
        return (255 * self.to_srgb(np.stack([values] * 3, axis=-1))[:, 1]).astype(np.float32)

    def icc_profile(self) -> bytes:
        """Return the ICC profile of a space that is not HDR."""
        assert isinstance(self.curve, Curve)
        columns = _to_d50(self.primaries).T
        xyz = [
            b"XYZ " + struct.pack(">I3i", 0, *(round(65536 * float(value)) for value in column)) for column in columns
        ]
        white = b"XYZ " + struct.pack(">I3i", 0, *(round(65536 * float(value)) for value in _D50_XYZ))
        curve = self.curve.icc()
        parts = {b"wtpt": white, b"rXYZ": xyz[0], b"gXYZ": xyz[1], b"bXYZ": xyz[2]}
        parts |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
        table, body, start = struct.pack(">I", len(parts)), b"", 128 + 4 + 12 * len(parts)
        for name, part in parts.items():
            table += name + struct.pack(">II", start + len(body), len(part))
            body += part + bytes(-len(part) % 4)
        header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04200000, b"mntr", b"RGB ", b"XYZ ")
        header += bytes(12) + b"acsp" + bytes(28)
        header += struct.pack(">3i", *(round(65536 * float(value)) for value in _D50_XYZ))
        return header.ljust(128, b"\0") + table + body


def from_code_points(
    primaries: int, transfer: int, *, peak_nits: float | None = None, is_video: bool = False
) -> ColourSpace | None:
    """Return the colour space of H.273's code points; None for unknown ones.

    In AVIF and HEIF (`is_video`) what is unspecified is sRGB's, and so is the curve of the broadcast standards, as
    browsers have it there: what cameras and encoders write as BT.709 is meant to look like sRGB.
    """
    if is_video:
        primaries = 1 if primaries == UNSPECIFIED else primaries
        transfer = 13 if transfer == UNSPECIFIED or transfer in _BROADCAST_CURVES else transfer
    chromaticities = PRIMARIES.get(primaries)
    curve = transfer if transfer in (PQ, HLG) else CURVES.get(transfer)
    if chromaticities is None or curve is None:
        return None
    return ColourSpace(chromaticities, curve, peak_nits or DEFAULT_PEAK_NITS)


def from_gamma(gamma: float | None, chromaticities: Chromaticities | None) -> ColourSpace | None:
    """Return the colour space of PNG's gAMA and cHRM; None if they declare nothing that can be used.

    As in Chromium, cHRM alone declares nothing, both declare nothing if cHRM is damaged, and a gamma of 1/2.2 alone is
    sRGB's curve.
    """
    if not gamma or gamma <= 0 or (chromaticities is not None and not _is_valid(chromaticities)):
        return None
    if chromaticities is None and abs(gamma / SRGB_GAMMA - 1) < GAMMA_TOLERANCE:
        return None
    return ColourSpace(chromaticities or SRGB_PRIMARIES, Curve(1 / gamma))


class ToneMapping:
    """Brings 8-bit pictures of one HDR space to sRGB; equal to `ColourSpace.to_srgb` but for rounding."""

    def __init__(self, space: ColourSpace) -> None:
        codes = np.linspace(0, 1, 256)
        self._is_hlg = space.curve == HLG
        self._linear = (_hlg_scene(codes) if self._is_hlg else _pq_light(codes)).astype(np.float32)
        to_bt2020 = _matrix(space.primaries, BT2020_PRIMARIES)
        self._to_bt2020 = to_bt2020.astype(np.float32)
        self._to_srgb = (_matrix(BT2020_PRIMARIES, SRGB_PRIMARIES) @ to_bt2020).astype(np.float32)
        # Tables over a square root, which gives the dark values the finer steps.
        self._brightest = (HLG_PEAK_NITS if self._is_hlg else PQ_PEAK_NITS) / WHITE_NITS
        roots = np.linspace(0, 1, 8192)
        self._gain = _tone_gain(self._brightest * roots**2, space.peak_nits).astype(np.float32)
        self._hlg_gain = (HLG_PEAK_NITS / WHITE_NITS * (roots**2) ** 0.2).astype(np.float32)
        self._codes = np.rint(255 * _srgb_codes(roots**2)).astype(np.uint8)

    def convert(self, image: Image.Image) -> Image.Image:
        """Convert an RGB image in place."""
        rows = max(1, limits.BAND_PIXELS // image.width)
        for top in range(0, image.height, rows):
            box = (0, top, image.width, min(top + rows, image.height))
            image.paste(Image.fromarray(self._convert_band(np.asarray(image.crop(box)))), box)
        return image

    def _convert_band(self, band: NDArray[np.uint8]) -> NDArray[np.uint8]:
        light = self._linear[band.reshape(-1, 3)]
        bt2020 = light @ self._to_bt2020.T
        brightest = bt2020.max(axis=1)
        factor = np.ones_like(brightest)
        if self._is_hlg:
            factor = _look_up(self._hlg_gain, bt2020 @ _LUMINANCE.astype(np.float32))
        factor = factor * _look_up(self._gain, brightest * factor / np.float32(self._brightest))
        codes: NDArray[np.uint8] = _look_up(self._codes, (light @ self._to_srgb.T) * factor[:, None])
        return codes.reshape(band.shape)


def _look_up(table: NDArray[Any], values: NDArray[np.float32]) -> NDArray[Any]:
    """Return the entries of a table over the square roots of 0 to 1."""
    roots = np.sqrt(np.clip(values, 0, 1))
    found: NDArray[Any] = table[(roots * np.float32(len(table) - 1) + np.float32(0.5)).astype(np.uint16)]
    return found


def _is_valid(chromaticities: Chromaticities) -> bool:
    ys = chromaticities[1::2]
    if not all(0 <= value <= 1 for value in chromaticities) or min(ys[3], max(ys[:3])) <= 0:
        return False
    try:
        to_d50 = _to_d50(chromaticities)
    except (np.linalg.LinAlgError, FloatingPointError, ZeroDivisionError):
        return False
    # ICC's numbers end at 32768; primaries far beyond those of any display are damage.
    return bool(np.isfinite(to_d50).all() and np.abs(to_d50).max() < 16 and abs(np.linalg.det(to_d50)) > 1e-4)


def _to_xyz(chromaticities: Chromaticities) -> Values:
    """Return the matrix from linear RGB to XYZ under the space's own white."""
    x, y = np.array(chromaticities[0::2]), np.array(chromaticities[1::2])
    columns = np.stack([x, y, 1 - x - y])
    white = columns[:, 3] / y[3]
    scale: Values = np.linalg.solve(columns[:, :3], white)
    result: Values = columns[:, :3] * scale
    return result


def _to_d50(chromaticities: Chromaticities) -> Values:
    x, y = chromaticities[6:]
    white = np.array([x / y, 1.0, (1 - x - y) / y])
    scale = np.diag((_BRADFORD @ _D50_XYZ) / (_BRADFORD @ white))
    result: Values = np.linalg.inv(_BRADFORD) @ scale @ _BRADFORD @ _to_xyz(chromaticities)
    return result


def _matrix(source: Chromaticities, target: Chromaticities) -> Values:
    result: Values = np.linalg.inv(_to_d50(target)) @ _to_d50(source)
    return result


def _srgb_codes(light: Values) -> Values:
    light = np.clip(light, 0.0, 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _pq_light(values: Values) -> Values:
    """Return PQ's light (SMPTE ST 2084), 1 for WHITE_NITS."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = values ** (1 / m2)
    result: Values = PQ_PEAK_NITS / WHITE_NITS * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return result


def _hlg_scene(values: Values) -> Values:
    """Return the light of HLG's scene (ITU-R BT.2100), 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)


def _tone_gain(light: Values, peak_nits: float) -> Values:
    """Return the factor for a colour whose brightest component has this light, on a display without headroom."""
    if peak_nits <= WHITE_NITS:
        return np.ones_like(light)
    peak = peak_nits / WHITE_NITS
    headroom = np.log2(peak)
    white = 1 - 0.5 * min(headroom / np.log2(DEFAULT_PEAK_NITS / WHITE_NITS), 1.0)
    kappa = 0.65
    x_mid, y_mid = (1 - kappa) + kappa / white, (1 - kappa) * white + kappa
    x_a, y_a = 1 - 2 * x_mid + peak, white - 2 * y_mid + 1
    x_b, y_b = 2 * x_mid - 2, 2 * y_mid - 2 * white
    t = np.linspace(0, 1, 8)
    x, y = 1 + t * (x_b + t * x_a), white + t * (y_b + t * y_a)
    slope = (2 * y_a * t + y_b) / (2 * x_a * t + x_b)
    gains, slopes = np.log2(y / x), (x * slope - y) / (np.log(2) * x * y)
    return np.exp2(_hermite(np.maximum(light, 1e-9), x, gains, slopes))


def _hermite(at: Values, x: Values, y: Values, slopes: Values) -> Values:
    """Return the piecewise cubic curve, constant before its first point, falling by 1/x after its last."""
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    width = x[left + 1] - x[left]
    t = np.clip((at - x[left]) / width, 0, 1)
    y0, y1, m0, m1 = y[left], y[left + 1], slopes[left] * width, slopes[left + 1] * width
    curve = (((2 * y0 + m0 - 2 * y1 + m1) * t + (3 * y1 - 3 * y0 - 2 * m0 - m1)) * t + m0) * t + y0
    return np.where(at >= x[-1], y[-1] + np.log2(x[-1] / at), curve)
