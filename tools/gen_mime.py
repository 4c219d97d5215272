#!/usr/bin/env python3
"""Writes the table of media types for src/site/mime.cpp from Debian's mime.types.

Usage: gen_mime.py MIME_TYPES OUTPUT. One row per extension, sorted, so that a lookup is a binary
search over constant data; of two types that claim an extension the first in the file is taken.
"""
import re
import sys

# What a web server meets and the system's table lacks, or gives to something rarer on the web.
OVERRIDES = {
    "br": "application/octet-stream",
    "cjs": "text/javascript",
    "ico": "image/x-icon",
    "map": "application/json",
    "toml": "application/toml",
    "ts": "video/mp2t",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
TYPE = re.compile(r"^[a-zA-Z0-9!#$&^_.+-]{1,63}/[a-zA-Z0-9!#$&^_.+-]{1,63}$")
EXTENSION = re.compile(r"^[a-z0-9_+-]{1,16}$")


def read_types(path):
    types = {}
    with open(path, encoding="ascii") as source:
        for line in source:
            words = line.split("#")[0].split()
            if len(words) < 2 or not TYPE.match(words[0]):
                continue
            for extension in words[1:]:
                if EXTENSION.match(extension.lower()):
                    types.setdefault(extension.lower(), words[0])
    types.update(OVERRIDES)
    return types


def main():
    types = read_types(sys.argv[1])
    if len(types) < 500:
        sys.exit(f"{sys.argv[1]} holds only {len(types)} extensions: "
                 "is media-types installed whole?")
    with open(sys.argv[2], "w", encoding="ascii") as output:
        for extension in sorted(types):
            output.write(f'{{"{extension}", "{types[extension]}"}},\n')


main()
