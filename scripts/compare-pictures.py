#!/usr/bin/env python3
"""Compares two PNG pictures pixel by pixel: compare-pictures.py A.png B.png

Prints how many pixels differ and by how much. Exits with 0 if none does, or so few by so little as POV-Ray's own
renders with one and with two threads differ (one pixel in 10,000 and one more, by 4 steps of 255); with 1 if
more do, 2 if they can't be compared.
It shares no code with Outlast, so that what Outlast wrote is judged by somebody else.
"""

import struct
import sys
import zlib

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def chunks(data, path):
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"{path}: not a PNG")
    at = 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        (check,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        if zlib.crc32(kind + body) != check:
            raise ValueError(f"{path}: a damaged {kind.decode()} chunk")
        yield kind, body
        at += 12 + length


def unfilter(kind, row, above, step):
    """Undoes the filter of one row, in place (PNG specification, section 9)."""
    if kind == 1:
        for i in range(step, len(row)):
            row[i] = (row[i] + row[i - step]) & 255
    elif kind == 2:
        for i, up in enumerate(above):
            row[i] = (row[i] + up) & 255
    elif kind == 3:
        for i, up in enumerate(above):
            left = row[i - step] if i >= step else 0
            row[i] = (row[i] + (left + up) // 2) & 255
    elif kind == 4:
        for i, up in enumerate(above):
            left = row[i - step] if i >= step else 0
            corner = above[i - step] if i >= step else 0
            guess = left + up - corner
            a, b, c = abs(guess - left), abs(guess - up), abs(guess - corner)
            nearest = left if a <= b and a <= c else up if b <= c else corner
            row[i] = (row[i] + nearest) & 255
    elif kind != 0:
        raise ValueError(f"filter {kind}, expected 0 to 4")


def read(path):
    """Width, height, bytes of a pixel, rows."""
    with open(path, "rb") as file:
        data = file.read()
    head, packed = None, b""
    for kind, body in chunks(data, path):
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
    if head is None:
        raise ValueError(f"{path}: no header")
    width, height, depth, colour, _, _, interlace = head
    if depth not in (8, 16) or colour not in CHANNELS or interlace:
        raise ValueError(f"{path}: expected 8 or 16 bits, no palette, no interlace")
    step = CHANNELS[colour] * depth // 8
    size = width * step
    raw = zlib.decompress(packed)
    if len(raw) != height * (size + 1):
        raise ValueError(f"{path}: {len(raw)} bytes, expected {height * (size + 1)}")
    rows, above = [], bytes(size)
    for y in range(height):
        start = y * (size + 1)
        row = bytearray(raw[start + 1 : start + 1 + size])
        unfilter(raw[start], row, above, step)
        rows.append(bytes(row))
        above = row
    return (width, height, depth, colour), step, rows


def main(paths):
    if len(paths) != 2:
        print(__doc__.strip().splitlines()[0], file=sys.stderr)
        return 2
    try:
        (shape, step, mine), (other, _, theirs) = map(read, paths)
    except (OSError, ValueError, struct.error, zlib.error) as error:
        print(error, file=sys.stderr)
        return 2
    if shape != other:
        print(f"expected (width, height, bits, kind) {shape}, found {other}", file=sys.stderr)
        return 2
    sample, most = shape[2] // 8, 255 if shape[2] == 8 else 65535
    differing, largest = 0, 0.0
    for a, b in zip(mine, theirs):
        if a == b:
            continue
        for x in range(0, len(a), step):
            if a[x : x + step] == b[x : x + step]:
                continue
            differing += 1
            for at in range(x, x + step, sample):
                one = int.from_bytes(a[at : at + sample], "big")
                two = int.from_bytes(b[at : at + sample], "big")
                largest = max(largest, abs(one - two) * 255 / most)
    pixels = shape[0] * shape[1]
    by = f", by {largest:.3g} steps of 255 at most" if differing else ""
    print(f"{differing} of {pixels} pixels differ{by}")
    return 0 if differing <= 1 + pixels // 10000 and largest <= 4 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
