"""Writes the icons of Windows and macOS from the PNG files in resources/icons: both kinds of file are lists of PNGs with a table before them."""

import struct
from pathlib import Path

PNGS = Path(__file__).resolve().parents[1] / "resources" / "icons"
ICO_SIZES = (16, 24, 32, 48, 64, 128, 256)
ICNS_TYPES = {b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512}


def png(size: int) -> bytes:
    """Return the icon of one size in pixels."""
    return (PNGS / f"mlops-desk-{size}.png").read_bytes()


def ico() -> bytes:
    """Return the icon file of Windows."""
    pictures = {size: png(size) for size in ICO_SIZES}
    offset = 6 + 16 * len(pictures)
    entries = b""
    for size, content in pictures.items():
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(content), offset)
        offset += len(content)
    return struct.pack("<HHH", 0, 1, len(pictures)) + entries + b"".join(pictures.values())


def icns() -> bytes:
    """Return the icon file of macOS."""
    parts = b"".join(
        kind + struct.pack(">I", 8 + len(content)) + content
        for kind, size in ICNS_TYPES.items()
        for content in [png(size)]
    )
    return b"icns" + struct.pack(">I", 8 + len(parts)) + parts


def write_icons(folder: Path) -> None:
    """Write both files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlops-desk.ico").write_bytes(ico())
    (folder / "mlops-desk.icns").write_bytes(icns())
