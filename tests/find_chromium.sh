#!/bin/sh
# Prints the path of a Chromium. Installs Debian's when there is none and it may; else says which
# package is missing, on one line, and fails.
find_one() {
    [ -n "$WAITROOM_CHROMIUM" ] && command -v "$WAITROOM_CHROMIUM" && return
    for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
        command -v "$name" && return
    done
    return 1
}

find_one && exit 0
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
    if $as_root true 2>/dev/null; then
        echo "installing the package chromium for the browser tests …" >&2
        { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq chromium; } >&2
        find_one && exit 0
    fi
fi
echo "the browser tests need Chromium: install the package chromium, or set WAITROOM_CHROMIUM to its path" >&2
exit 2
